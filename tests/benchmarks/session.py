"""One session: every scenario on every server, in turns, so that a busy minute of the machine hits all."""

from collections.abc import Callable, Sequence

from tests.benchmarks.certificates import certificate
from tests.benchmarks.load import LoadError
from tests.benchmarks.machine import Cores
from tests.benchmarks.results import Cell, Results, Sample
from tests.benchmarks.scenarios import Scenario
from tests.benchmarks.servers import Server, StartError, running

Tell = Callable[[str], None]


def measure_all(
    scenarios: Sequence[Scenario],
    servers: Sequence[Server],
    cores: Cores,
    *,
    seconds: int,
    repeats: int,
    tell: Tell,
) -> Results:
    """Go `repeats` times round the scenarios, and in each round the servers; each is started afresh.

    What one server cannot do is recorded and told, and the others go on.
    """
    results = Results()
    present = []
    for server in servers:
        missing = ", ".join(server.missing())
        if missing:
            results.left_out[server.name] = f"{missing} is not installed"
            tell(f"{server.name} is left out: {results.left_out[server.name]}")
        else:
            present.append(server)
    with certificate() as shown:
        for turn in range(1, repeats + 1):
            for scenario in scenarios:
                for server in present:
                    cell = Cell(scenario.name, server.name)
                    # A server that failed once is not asked again: its failures may be slow.
                    if scenario.protocol not in server.protocols or cell in results.failures:
                        continue
                    label = f"{turn}/{repeats} {scenario.name:16} {server.name:25}"
                    try:
                        with running(server, cores.server, shown) as target:
                            sample = scenario.run(target, seconds)
                    except (StartError, LoadError, OSError) as error:
                        results.failures[cell] = f"{type(error).__name__}: {error}"
                        tell(f"{label} {results.failures[cell]}")
                    else:
                        results.add(cell, sample)
                        tell(f"{label} {_in_short(sample, scenario)}")
    return results


def _in_short(sample: Sample, scenario: Scenario) -> str:
    rate = "" if sample.throughput is None else f", {sample.throughput:,.0f} {scenario.rate_unit}"
    return f"{sample.cost:.4g} {scenario.cost_unit}{rate}"
