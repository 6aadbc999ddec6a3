"""The guards that matter most: what each one is, in the code, and which tests must fail without it."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["GUARDS", "Guard"]


class Guard(NamedTuple):
    """One piece of code that keeps something hostile out."""

    threat: str
    """The heading in docs/explanation/threats.md that it is there for."""
    file: str
    code: str
    """It stands there once."""
    without: str
    """What stands there when it is taken away."""
    tests: tuple[str, ...]
    """Each of them fails then. FILE::NAME where several files have a test of that name."""
    attacks: tuple[str, ...] = ()
    """Each of them breaches the server then. Where a second guard stands behind this one, there is none."""


GUARDS: Final = (
    # HTTP/1
    Guard(
        "Two lengths for one message",
        "sansio/http1_gate.py",
        '        if lengths:\n            return PeerError(400, "Transfer-Encoding together',
        '        if False:\n            return PeerError(400, "Transfer-Encoding together',
        ("test_framing",),
        ("cl-te",),
    ),
    Guard(
        "Two lengths for one message",
        "sansio/http1_gate.py",
        "    elif len(lengths) > 1:",
        "    elif False:",
        ("test_framing", "test_nothing_is_read_in_two_ways"),
    ),
    Guard(
        "Codings in disguise",
        "sansio/http1_gate.py",
        'if codings[0].lower() != b"chunked":',
        'if b"chunked" not in codings[0].lower():',
        ("test_framing", "test_nothing_is_read_in_two_ways"),
    ),
    Guard(
        "Numbers in disguise",
        "sansio/fields.py",
        "if value.isdigit() and len(value) <= _MAX_CONTENT_LENGTH_DIGITS else None",
        'if value.lstrip(b"+").isdigit() else None',
        ("test_what_is_no_length_is_none",),
        ("content-length-variants",),
    ),
    Guard(
        "Numbers in disguise",
        "sansio/http1_content.py",
        "if not digits or len(digits) > _MAX_CHUNK_SIZE_DIGITS or digits.translate(None, _HEXADECIMAL):",
        "if not digits or digits.translate(None, _HEXADECIMAL):",
        ("test_malformed_chunks_are_refused_at_the_same_octet_however_they_come",),
    ),
    Guard(
        "Chunks that end somewhere else",
        "sansio/http1_content.py",
        r'if data[position] != b"\r\n"[len(self._line)]:',
        "if False:",
        ("test_malformed_chunks_are_refused_at_the_same_octet_however_they_come",),
        ("chunk-terminators",),
    ),
    Guard(
        "Line ends that are none",
        "sansio/http1_gate.py",
        r'            if not line.endswith(b"\r"):',
        "            if False:",
        (
            "test_field_lines",
            "test_nothing_is_read_in_two_ways",
        ),
        ("bare-lf",),
    ),
    Guard(
        "Control characters in fields",
        "sansio/fields.py",
        "    if value.translate(None, VALUE_CHARACTERS):\n        return",
        "    if False:\n        return",
        ("test_every_octet_in_a_name_and_in_a_value",),
        ("control-octets",),
    ),
    Guard(
        "A Host that is none",
        "sansio/http1_gate.py",
        "    if len(hosts) > 1:",
        "    if False:",
        ("test_hosts",),
    ),
    Guard(
        "Content that nobody read",
        "sansio/http1_responses.py",
        "ended and (remaining is None or remaining > self._settings.limit_discard)",
        "False",
        ("test_more_unread_content_than_is_read_away_ends_the_connection",),
    ),
    Guard(
        "Content that may or may not come",
        "sansio/http1_responses.py",
        "return self._continue_due or (",
        "return (",
        ("test_a_client_that_was_never_told_to_continue_is_told_that_the_connection_ends",),
    ),
    Guard(
        "A head that never ends",
        "sansio/http1.py",
        "        if self._idle_deadline is Deadline.KEEP_ALIVE:",
        "        if True:",
        ("test_one_octet_more_gives_a_head_no_more_time",),
        ("slowloris",),
    ),
    Guard(
        "Large heads and many fields",
        "sansio/http1_gate.py",
        "                if len(buffer) > self._limit:",
        "                if False:",
        ("test_what_never_ends_is_refused_at_its_limit",),
        ("huge-field",),
    ),
    Guard(
        "Large heads and many fields",
        "sansio/http1_gate.py",
        "            if len(self._fields) >= self._max_fields:",
        "            if False:",
        ("test_limits_hold_to_the_octet_however_the_octets_come",),
    ),
    Guard(
        "Empty lines without end",
        "sansio/http1_gate.py",
        "                if self._empty_lines > _MAX_EMPTY_LINES:",
        "                if False:",
        ("test_empty_lines_without_end_are_refused",),
    ),
    Guard(
        "Extensions and trailers without end",
        "sansio/http1_content.py",
        "            if self._extensions_left < 0:",
        "            if False:",
        ("test_chunk_extensions_up_to_the_limit_pass",),
        ("chunk-extensions",),
    ),
    Guard(
        "Extensions and trailers without end",
        "sansio/http1_content.py",
        "            if self._trailer_fields > self._settings.limit_request_fields:",
        "            if False:",
        ("test_trailers_without_end_are_refused",),
    ),
    Guard(
        "Content of enormous size",
        "sansio/http1.py",
        "            if limit is not None and exchange.bytes_in + len(content) > limit:",
        "            if False:",
        ("test_limits_hold_to_the_octet_however_the_octets_come",),
    ),
    Guard(
        "A flood of pipelined requests",
        "sansio/http1.py",
        "        if self.outbox.size > self._settings.limit_write_buffer:",
        "        if False:",
        ("test_a_client_that_never_reads_cannot_make_the_server_collect_responses",),
    ),
    Guard(
        "A flood of pipelined requests",
        "sansio/http1.py",
        "        if self._unfinished > _MAX_UNFINISHED:",
        "        if False:",
        ("test_work_after_the_response_is_bounded",),
    ),
    Guard(
        "A response that nobody reads",
        "sansio/http1_responses.py",
        "        if outbox.size > self._settings.limit_write_buffer:",
        "        if False:",
        ("test_a_full_write_buffer_stops_the_application_until_the_bytes_are_taken",),
        ("slow-read",),
    ),
    # Applications
    Guard(
        "Fields that are none",
        "sansio/fields.py",
        "    if value.translate(None, VALUE_CHARACTERS):\n        raise",
        "    if False:\n        raise",
        ("test_no_field_of_the_application_can_forge_another",),
        ("header-injection",),
    ),
    Guard(
        "An application that never reads",
        "sansio/http1.py",
        "            if exchange.held >= self._settings.limit_read_buffer:",
        "            if False:",
        ("test_reading_stops_while_the_application_does_not_take_the_content",),
        ("app-never-reads",),
    ),
    # HTTP/2
    Guard(
        "Requests that are reset at once",
        "sansio/http2_carrier.py",
        "        if not self.budgets.take_reset(now):",
        "        if False:",
        (
            "test_rapid_resets_end_the_connection_and_start_few_applications",
            "test_provoked_resets_end_the_connection",
        ),
        ("rapid-reset-of-running-applications",),
    ),
    Guard(
        "More streams than allowed",
        "sansio/http2.py",
        "if len(self.streams) + self.orphans >= most or self.running >= 2 * most:",
        "if False:",
        (
            "test_more_streams_than_allowed_are_refused",
            "test_an_application_that_runs_on_after_a_reset_counts_as_a_stream",
        ),
        ("streams-beyond-the-limit",),
    ),
    Guard(
        "Field blocks without end",
        "sansio/http2_reader.py",
        "if len(self._block) + length > self._max_block_size or self._continuations >= _MAX_CONTINUATIONS:",
        "if False:",
        ("tests/sansio/test_http2_control_budgets.py::test_a_field_block_without_end_ends_the_connection",),
        ("continuation-flood-of-0-octets",),
    ),
    Guard(
        "Field blocks that become large",
        "sansio/field_blocks.py",
        "        if room < 0:",
        "        if False:",
        ("test_a_small_block_that_the_table_makes_large_is_answered_with_431",),
        ("hpack-bomb",),
    ),
    Guard(
        "Field blocks that become large",
        "sansio/field_blocks.py",
        "        if len(fields) > self._max_fields:",
        "        if False:",
        ("test_too_many_fields_are_answered_with_431",),
        ("http2-bomb",),
    ),
    Guard(
        "Tables of any size",
        "sansio/field_blocks.py",
        "        if size > self._max_table_size:",
        "        if False:",
        ("test_what_cannot_be_decoded_is_a_field_block_error",),
    ),
    Guard(
        "Frames that bring nothing forward",
        "sansio/http2_connection.py",
        "        if self.budgets.take_frame(kind, now):",
        "        if True:",
        ("test_too_many_frames_that_bring_nothing_end_the_connection",),
        ("flood-of-ping",),
    ),
    Guard(
        "Answers that nobody reads",
        "sansio/http2_connection.py",
        "        if self._control_size > _MAX_CONTROL_SIZE:",
        "        if False:",
        ("tests/sansio/test_http2_connection.py::test_answers_that_are_not_read_end_the_connection",),
    ),
    Guard(
        "Padding",
        "sansio/http2.py",
        "        if len(content) < size:",
        "        if False:",
        ("test_padding_comes_back_at_once",),
        ("padded-content",),
    ),
    Guard(
        "Windows that open by crumbs",
        "sansio/http2_sending.py",
        "if size < left and size < _USEFUL_SIZE and not self._budgets.crumbs.take(now):",
        "if False:",
        ("test_windows_that_open_by_crumbs_exhaust_a_budget",),
        ("data-dribble-by-settings",),
    ),
    Guard(
        "Large windows, and a socket that nobody reads",
        "sansio/http2_sending.py",
        "        while queues and outbox.size <= self._limit:",
        "        while queues:",
        ("test_a_peer_that_does_not_read_is_not_sent_more_than_a_buffer",),
        ("socket-that-nobody-reads",),
    ),
    Guard(
        "Windows that are no windows",
        "sansio/http2.py",
        "        if size > stream.receive_window:",
        "        if False:",
        ("test_content_beyond_the_stream_s_window_is_an_error",),
        ("content-beyond-the-window",),
    ),
    Guard(
        "Content of another length than promised",
        "sansio/http2.py",
        "            if stream.content_left < 0:",
        "            if False:",
        ("test_content_that_is_not_as_long_as_promised_never_ends",),
        ("content-of-another-length",),
    ),
    # WebSockets
    Guard(
        "A small message that becomes a large one",
        "sansio/websocket_frames.py",
        "                if len(piece) > room:",
        "                if False:",
        ("test_a_deflate_bomb_takes_little_more_than_the_limit",),
        ("deflate-bomb",),
    ),
    Guard(
        "Fragments without end",
        "sansio/websocket_frames.py",
        "if self.fragments > self._max_fragments or self._octets > limit:",
        "if self._octets > limit:",
        ("test_a_message_without_end_is_bounded_in_octets_and_in_fragments",),
        ("endless-fragments-of-0-octets",),
    ),
    Guard(
        "Pings that want an answer each",
        "sansio/websocket.py",
        "        elif outbox.size > self._settings.limit_write_buffer:",
        "        elif False:",
        ("test_a_flood_of_pings_to_a_client_that_never_reads_fills_no_memory",),
        ("pings-on-a-closed-window",),
    ),
    # The transport and the process
    Guard(
        "Handshakes that stall",
        "runtime/driver.py",
        "return SecureConnection(self._tls, begin, now + self._timeout_tls_handshake)",
        "return SecureConnection(self._tls, begin, math.inf)",
        ("test_a_handshake_that_stalls_ends_in_time",),
        ("tls-handshake-stall",),
    ),
    Guard(
        "No descriptors left",
        "runtime/trio_listener.py",
        "                    continue  # The rest",
        "                    raise  # The rest",
        ("test_accepting_goes_on_after_an_error",),
    ),
    Guard(
        "Forged lines in the log",
        "runtime/access_log.py",
        """chr(octet) if 32 <= octet < 127 and octet not in b'"\\\\' else""",
        "chr(octet) if octet else",
        ("test_what_came_from_a_peer_is_escaped",),
    ),
    Guard(
        "Stopping under load",
        "runtime/asyncio_listener.py",
        "            if self._cancelled:\n                self.loop.call_soon(task.cancel)",
        "            if False:\n                self.loop.call_soon(task.cancel)",
        ("test_a_request_that_begins_after_the_applications_were_cancelled_is_cancelled_too",),
    ),
    Guard(
        "Stopping under load",
        "runtime/trio_driver.py",
        "            self._finish_waiting()  # It was opened",
        "            pass  # It was opened",
        ("test_a_request_that_is_opened_while_the_server_is_cancelled_is_reported",),
    ),
    Guard(
        "An application that leaves something behind",
        "runtime/trio_driver.py",
        "            if nurseries:",
        "            if False:",
        (
            "test_a_nursery_that_is_left_open_is_left_and_what_its_children_raise_is_written_down",
            "test_a_stream_whose_application_breaks_its_task_harms_no_other_stream",
        ),
    ),
    Guard(
        "An application that leaves something behind",
        "runtime/driver.py",
        "    if cancelled is not None and not driver.is_cancelled():",
        "    if False:",
        (
            "test_a_cancellation_that_nobody_has_asked_for_is_the_apps_error",
            "test_a_stream_whose_application_breaks_its_task_harms_no_other_stream",
        ),
    ),
)
