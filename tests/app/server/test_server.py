"""Who may enter a server: requests and WebSockets against real servers on loopback."""

import asyncio
import re
import ssl
import subprocess
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

import panel as pn
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from fel_explorer.app.server.access import Access, Attempts, check_token, read_passwords
from fel_explorer.app.server.server import make_server
from fel_explorer.errors import FelError

TOKEN = "0123456789abcdef0123"
STATIC = "/static/js/bokeh.min.js"


def words():
    return pn.pane.Str("the secret page")


@asynccontextmanager
async def served(access=None, **options):
    server, url = make_server({"/": words, "/physics": words}, access=access or Access(TOKEN), **options)
    server.start()
    try:
        yield url.partition("?")[0].rstrip("/"), server
    finally:
        server.stop(wait=False)
        server._http.stop()
        await server._http.close_all_connections()
        pn.state._servers.clear()


async def get(url, **options):
    """The answer; redirects are not followed, and no error is raised."""
    request = HTTPRequest(url, follow_redirects=False, **options)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


def cookie_of(answer):
    return answer.headers["Set-Cookie"].partition(";")[0]


async def entered(url):
    return {"Cookie": cookie_of(await get(f"{url}/?token={TOKEN}"))}


def session_token(body):
    return re.search(r'"token":"([^"]+)"', body.decode()).group(1)


async def socket_opens(url, headers, token):
    """Whether a WebSocket is let in and gets Bokeh's first message."""
    request = HTTPRequest(url.replace("http", "ws", 1) + "/ws", headers=headers)
    try:
        connection = await websocket_connect(request, subprotocols=["bokeh", token])
    except HTTPClientError as error:
        assert error.code == 403
        return False
    first = await connection.read_message()
    connection.close()
    return first is not None


def test_only_the_printed_address_lets_in_and_leaves_a_cookie():
    async def visit():
        async with served() as (url, server):
            for path in ("/", "/physics", "/ws", "/autoload.js", STATIC, "/favicon.ico", "/login", "/none"):
                answer = await get(url + path)
                assert answer.code == 403 and b'"token":"' not in answer.body, path
            for wrong in ("", "x", TOKEN[:-1], TOKEN + "0", "%00"):
                assert (await get(f"{url}/?token={wrong}")).code == 403
            answer = await get(f"{url}/physics?view=ab&token={TOKEN}&page=cd")
            assert answer.code == 303 and answer.headers["Location"] == "./physics?view=ab&page=cd"
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and TOKEN not in cookie
            assert cookie.startswith(f"fel-explorer-{server.port}=")
            inside = {"Cookie": cookie_of(answer)}
            for path in ("/", "/physics", STATIC):
                assert (await get(url + path, headers=inside)).code == 200
            forged = {"Cookie": cookie_of(answer)[:-1] + "0"}
            assert (await get(url, headers=forged)).code == 403
            assert (await get(url, headers={"Authorization": f"token {TOKEN}"})).code == 200
            posted = await get(f"{url}/?token={TOKEN}", method="POST", body="")
            assert posted.code == 403 and "Set-Cookie" not in posted.headers

    asyncio.run(visit())


def test_neither_token_nor_cookie_is_written_into_the_page():
    async def visit():
        async with served() as (url, _):
            inside = await entered(url)
            body = (await get(url, headers=inside)).body.decode()
            from base64 import urlsafe_b64decode

            payload = session_token(body.encode()).split(".")[0]
            told = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
            assert TOKEN not in body and inside["Cookie"].partition("=")[2].encode() not in told

    asyncio.run(visit())


def test_a_restart_ends_cookies_unless_the_token_is_the_same():
    async def visit():
        async with served() as (url, server):
            inside, port = await entered(url), server.port
        async with served(port=port) as (url, _):
            assert (await get(url, headers=inside)).code == 200
        async with served(Access(), port=port) as (url, _):
            assert (await get(url, headers=inside)).code == 403

    asyncio.run(visit())
    assert Access().token != Access().token and len(Access().token) == 48


def test_sockets_need_the_cookie_and_a_page_of_this_server():
    async def visit():
        async with served() as (url, server):
            inside = await entered(url)
            token = session_token((await get(url, headers=inside)).body)
            own = {"Origin": url}
            assert not await socket_opens(url, own, token)
            for origin in ("http://evil.example", f"http://evil.example:{server.port}", "null", "file://"):
                assert not await socket_opens(url, inside | {"Origin": origin}, token)
            assert not await socket_opens(url, inside | {"Origin": "http://localhost:1"}, token)
            assert await socket_opens(url, inside | own, token)

    asyncio.run(visit())


def test_a_session_id_that_the_client_chose_is_refused():
    from bokeh.util.token import generate_jwt_token

    async def visit():
        async with served() as (url, _):
            inside = (await entered(url)) | {"Origin": url}
            assert not await socket_opens(url, inside, generate_jwt_token("chosen"))

    asyncio.run(visit())


def test_a_page_under_a_rebound_host_name_is_refused():
    async def visit():
        async with served() as (url, server):
            inside = await entered(url)
            for host in ("other.name", f"other.name:{server.port}", "localhost.evil.example", "10.0.0.1", ""):
                answer = await get(url, headers=inside | {"Host": host})
                assert answer.code in (400, 403) and b'"token":"' not in answer.body, host
                answer = await get(f"{url}/?token={TOKEN}", headers={"Host": host})
                assert answer.code in (400, 403) and "Set-Cookie" not in answer.headers
            for host in ("localhost", f"127.0.0.1:{server.port}", "[::1]:5006"):
                assert (await get(url + STATIC, headers=inside | {"Host": host})).code == 200
        async with served(Access(TOKEN, origins=["https://hub.example.org"])) as (url, _):
            inside = await entered(url) | {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
            answer = await get(url, headers=inside)
            assert answer.code == 200 and await socket_opens(url, inside, session_token(answer.body))
        async with served(Access("")) as (url, _):  # also where no token is asked for
            assert (await get(url)).code == 200
            assert (await get(url, headers={"Host": "other.name"})).code == 403

    asyncio.run(visit())


def test_a_page_is_reached_by_an_ipv6_address():
    async def visit():
        async with served(Access(TOKEN, address="::1"), address="::1") as (url, server):
            assert url == f"http://[::1]:{server.port}"
            inside = await entered(url)
            for host in (f"[::1]:{server.port}", "[::1]", f"localhost:{server.port}"):
                answer = await get(f"{url}/?view=a?b&x=c?", headers=inside | {"Host": host})
                assert answer.code == 200 and b'"token":"' in answer.body, host
                own = inside | {"Host": host, "Origin": f"http://{host}"}
                assert await socket_opens(url, own, session_token(answer.body))
            wrong = ("[::1", "::1", "[::2]", "[", "[::1].evil.example", "@[::1]evil", "x@localhost")
            for host in (*wrong, "localhost:abc", "localhost:1:2"):
                assert (await get(url, headers=inside | {"Host": host})).code in (400, 403), host

    asyncio.run(visit())


def test_answers_carry_the_security_headers():
    async def visit():
        async with served() as (url, _):
            inside = await entered(url)
            for path, headers in (("/", {}), ("/", inside), (STATIC, inside)):
                answer = await get(url + path, headers=headers)
                policy = answer.headers["Content-Security-Policy"]
                assert "script-src-attr 'none'" in policy and "frame-ancestors 'self'" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"

    asyncio.run(visit())


def login(url, user, password, **headers):
    body = urlencode({"user": user, "password": password})
    return get(f"{url}/login?next=physics%3Fview%3Dab", method="POST", body=body, headers=headers)


def test_a_password_lets_in_and_attempts_are_limited():
    async def visit():
        access = Access(TOKEN, passwords={"ada": "right"})
        async with served(access) as (url, _):
            assert (await get(f"{url}/?token={TOKEN}")).headers["Location"].startswith("./login")
            answer = await get(f"{url}/physics?view=ab")
            assert answer.code == 303 and answer.headers["Location"] == "./login?next=physics%3Fview%3Dab"
            assert (await get(url + STATIC)).headers["Location"].startswith("./../../login")
            form = (await get(f"{url}/login")).body.decode()
            assert 'type="password"' in form and "http" not in form.replace(url, "")
            assert (await login(url, "ada", "right")).code == 403  # no page of this server asks
            assert (await login(url, "ada", "right", Origin="http://evil.example")).code == 403
            answer = await login(url, "ada", "right", Origin=url)
            assert answer.code == 303 and answer.headers["Location"] == "./physics?view=ab"
            assert (
                "HttpOnly" in answer.headers["Set-Cookie"] and "SameSite=Lax" in answer.headers["Set-Cookie"]
            )
            inside = {"Cookie": cookie_of(answer)}
            assert (await get(url, headers=inside)).code == 200
            codes = [(await login(url, "ada", f"wrong {n}", Origin=url)).code for n in range(7)]
            assert codes == [401] * 5 + [429] * 2
            assert (await login(url, "ada", "right", Origin=url)).code == 429
            assert (await get(url, headers=inside)).code == 200  # who is in stays in

    asyncio.run(visit())


def test_attempts_are_counted_for_each_address_and_forgotten():
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(5):
        assert attempts.wait("a") == 0
        attempts.fail("a")
    assert attempts.wait("a") == 60 and attempts.wait("b") == 0
    now[0] = 61.0
    assert attempts.wait("a") == 0 and not attempts._failed
    for n in range(60):
        attempts.fail(str(n))
    assert attempts.wait("new") > 0


@pytest.mark.parametrize(
    "next_", ["//evil.example/x", "https://evil.example", "\\\\evil.example", "/%2F/evil"]
)
def test_a_login_goes_on_to_no_other_host(next_):
    async def visit():
        async with served(Access(passwords={"ada": "right"})) as (url, _):
            body = urlencode({"user": "ada", "password": "right"})
            address = f"{url}/login?{urlencode({'next': next_})}"
            answer = await get(address, method="POST", body=body, headers={"Origin": url})
            assert answer.headers["Location"].startswith("./") and "//" not in answer.headers["Location"][:4]

    asyncio.run(visit())


def test_pages_lie_below_a_prefix():
    async def visit():
        async with served(prefix="/user/ada/") as (url, server):
            assert urlsplit(url).path == "/user/ada"
            answer = await get(f"{url}/?token={TOKEN}")
            assert "Path=/user/ada" in answer.headers["Set-Cookie"]
            inside = {"Cookie": cookie_of(answer)}
            assert (await get(f"{url}/physics", headers=inside)).code == 200
            assert (await get(f"{url}{STATIC}", headers=inside)).code == 200
            assert (await get(f"http://localhost:{server.port}/physics", headers=inside)).code == 404
            page = (await get(f"{url}/", headers=inside)).body
            assert await socket_opens(
                url, inside | {"Origin": f"http://localhost:{server.port}"}, session_token(page)
            )

    asyncio.run(visit())


def test_forwarded_headers_are_believed_from_trusted_proxies_only():
    told = {
        "X-Forwarded-Host": "hub.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "6.6.6.6, 1.2.3.4",
    }

    async def visit():
        access = Access(TOKEN, origins=["hub.example.org"], proxies=["127.0.0.0/8", "::1"])
        async with served(access) as (url, _):
            answer = await get(f"{url}/?token={TOKEN}", headers=told | {"Host": "anything"})
            assert answer.code == 303 and "Secure" in answer.headers["Set-Cookie"]
        async with served(Access(TOKEN, origins=["hub.example.org"])) as (url, _):
            answer = await get(f"{url}/?token={TOKEN}", headers=told)
            assert "Secure" not in answer.headers["Set-Cookie"]
            assert (await get(f"{url}/?token={TOKEN}", headers=told | {"Host": "anything"})).code == 403
        access = Access(passwords={"ada": "right"}, proxies=["127.0.0.1", "::1"])
        async with served(access) as (url, _):  # wrong logins count for the visitor that the proxy names
            for _ in range(6):
                await login(url, "ada", "wrong", Origin=url, **{"X-Forwarded-For": "6.6.6.6, 1.2.3.4"})
            assert (
                await login(url, "ada", "right", Origin=url, **{"X-Forwarded-For": "1.2.3.4"})
            ).code == 429
            assert (
                await login(url, "ada", "right", Origin=url, **{"X-Forwarded-For": "6.6.6.6"})
            ).code == 303

    asyncio.run(visit())


def test_https_with_a_certificate(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-keyout", key, "-out", certificate, "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)

    async def visit():
        async with served(certfile=str(certificate), keyfile=str(key)) as (url, _):
            assert url.startswith("https://")
            context = ssl.create_default_context(cafile=str(certificate))
            answer = await get(f"{url}/?token={TOKEN}", ssl_options=context)
            assert answer.code == 303 and "Secure" in answer.headers["Set-Cookie"]

    asyncio.run(visit())


@pytest.mark.parametrize(
    "token", ["short", "with a space in it here", "ümlaut-0123456789abc", "a/b?c&d#0123456789"]
)
def test_a_token_that_can_be_guessed_or_breaks_addresses_is_refused(token):
    with pytest.raises(FelError, match="16 letters"):
        check_token(token)
    assert check_token(TOKEN) == TOKEN


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 1}', '{"a": ""}', "[" * 100_000])
def test_a_file_without_passwords_is_refused(text, tmp_path):
    (tmp_path / "passwords").write_text(text)
    with pytest.raises(FelError, match="JSON"):
        read_passwords(tmp_path / "passwords")
