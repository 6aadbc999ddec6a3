-- A browser's request head. Every request carries one of 1,000 sessions' cookies and targets, as a
-- server in front of many people sees them, so that no cache of whole heads or lines answers for all.

local sessions = 1000
local requests = {}
local turn = 0

function init(args)
    for session = 1, sessions do
        requests[session] = wrk.format("GET", string.format("/?page=%d", session), {
            ["Host"] = "127.0.0.1",
            ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            ["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3",
            ["Accept-Encoding"] = "gzip, deflate, br, zstd",
            ["Cookie"] = string.format("sessionid=%032x; csrftoken=%032x; theme=dark", session * 7919, session),
            ["Referer"] = "https://www.example.org/articles/",
            ["Upgrade-Insecure-Requests"] = "1",
            ["Sec-Fetch-Dest"] = "document",
            ["Sec-Fetch-Mode"] = "navigate",
            ["Sec-Fetch-Site"] = "same-origin",
        })
    end
end

function request()
    turn = turn % sessions + 1
    return requests[turn]
end
