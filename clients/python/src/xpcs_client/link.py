"""
One websocket to central: calls that are answered, in any order, until it closes. It never reconnects (reconnecting.py). Handshake, frames and messages
are those of docs/wire.md.
"""

import asyncio
import base64
import http.client
import secrets
import socket
import ssl
import urllib.request
from typing import Any, Dict, NamedTuple, Optional, Tuple
from urllib.parse import SplitResult, urlsplit

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from . import codec
from .errors import XpcsError, from_wire
from .trust import check_pin, is_pin, tls_context

#: Calls that one link may have unanswered; more are refused, so further ones wait here.
IN_FLIGHT_MAX = 64
#: Deadline of a call; a long poll gets that much more than it asks for.
CALL_DEADLINE_S = 15.0
#: Longest that central holds a long poll.
LONG_POLL_S = 10.0
#: Pings; without a pong for twice as long the peer counts as dead.
HEARTBEAT_S = 3.0


class Way(NamedTuple):
    """Where central is, and how it proves who it is."""

    url: str
    ca: Optional[str]
    pin: Optional[str]
    insecure: bool


def _is_loopback(host: str) -> bool:
    parts = host.split(".")
    return host in ("localhost", "::1") or (len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts))


def check_way(way: Way) -> SplitResult:
    """
    :raises XpcsError: INVALID_ARGUMENT no websocket URL, no pin · REFUSED plain off loopback
    """
    parts = urlsplit(way.url)
    try:
        usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise XpcsError("INVALID_ARGUMENT", f'"{way.url}" is no address of a central: give one like wss://host:7878')
    if way.pin is not None and not is_pin(way.pin):
        raise XpcsError("INVALID_ARGUMENT", f'"{way.pin}" is no pin: sha256/ and 44 characters, as central shows it')
    if parts.scheme == "ws" and way.pin is not None:
        raise XpcsError("INVALID_ARGUMENT", f"{way.url} has no certificate to compare with the pin: use wss://")
    if parts.scheme == "ws" and not _is_loopback(parts.hostname or "") and not way.insecure:
        raise XpcsError(
            "REFUSED",
            f"{way.url} would show the token to the network: use wss://, or an ssh tunnel and ws://127.0.0.1, or allow it with insecure=True",
        )
    return parts


def _proxy_for(target: SplitResult) -> Optional[SplitResult]:
    """The HTTP proxy that the environment names for a target; what is on this machine is never reached through one."""
    host = target.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    named = urllib.request.getproxies().get("https" if target.scheme == "wss" else "http")
    if not named:
        return None
    proxy = urlsplit(named if "//" in named else f"http://{named}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise XpcsError("UNSUPPORTED", f"the proxy for {host} is no http:// one: look at https_proxy")
    return proxy


def _open_socket(target: SplitResult) -> socket.socket:
    """A TCP connection, through a proxy where one is to be used."""
    host, port = target.hostname or "", target.port or (443 if target.scheme == "wss" else 80)
    proxy = _proxy_for(target)
    if proxy is None:
        return socket.create_connection((host, port), timeout=CALL_DEADLINE_S)
    tunnel = http.client.HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=CALL_DEADLINE_S)
    headers = {}
    if proxy.username is not None:
        both = f"{proxy.username}:{proxy.password or ''}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(both.encode()).decode("ascii")
    tunnel.set_tunnel(host, port, headers)
    tunnel.connect()
    return tunnel.sock


async def _handshake(way: Way, parts: SplitResult) -> Any:
    sock = await asyncio.wait_for(asyncio.to_thread(_open_socket, parts), CALL_DEADLINE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls: Dict[str, Any] = {}
    if parts.scheme == "wss":
        tls = {"ssl": tls_context(way.ca, way.pin), "server_hostname": parts.hostname}
    try:
        return await websockets.connect(  # type: ignore[attr-defined]
            way.url,
            sock=sock,
            compression=None,
            max_size=codec.FRAME_BYTES_MAX,
            ping_interval=HEARTBEAT_S,
            ping_timeout=2 * HEARTBEAT_S,
            open_timeout=CALL_DEADLINE_S,
            close_timeout=1,
            **tls,
        )
    except BaseException:
        sock.close()
        raise


async def _dial(way: Way) -> Any:
    parts = check_way(way)
    try:
        ws = await _handshake(way, parts)
    except XpcsError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise XpcsError(
            "PERMISSION_DENIED",
            f"{way.url} cannot prove who it is ({error.verify_message}): give its authority (ca), or its key (pin), as central showed it",
        ) from None
    except (asyncio.TimeoutError, TimeoutError):
        raise XpcsError("UNAVAILABLE", f"cannot reach {way.url}: no answer within {CALL_DEADLINE_S:.0f} s") from None
    except (InvalidHandshake, EOFError) as error:
        raise XpcsError("UNAVAILABLE", f"cannot reach {way.url}: who answers there speaks no websocket ({error})") from None
    except (OSError, WebSocketException, http.client.HTTPException) as error:
        raise XpcsError("UNAVAILABLE", f"cannot reach {way.url}: {error}") from None
    if way.pin is not None:
        try:
            tls = ws.transport.get_extra_info("ssl_object")
            check_pin(tls.getpeercert(binary_form=True), way.pin, way.url)
        except BaseException:
            await ws.close()
            raise
    return ws


def _close_reason(error: ConnectionClosed) -> XpcsError:
    frame = error.rcvd
    if frame is None:
        return XpcsError("UNAVAILABLE", "the link failed: central has not answered, or the connection broke")
    if frame.code == 1009:
        return XpcsError("UNAVAILABLE", f"the link was closed: a message exceeded {codec.FRAME_BYTES_MAX} bytes")
    return XpcsError("UNAVAILABLE", f"the peer closed the link ({frame.reason or f'code {frame.code}'})")


class Link:
    """Calls over one open websocket. ``closed`` is done, with the reason, when no call can be answered any more."""

    def __init__(self, ws: Any) -> None:
        self._ws = ws
        self._pending: Dict[str, "asyncio.Future[Any]"] = {}
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._reason: Optional[XpcsError] = None
        self.closed: "asyncio.Future[XpcsError]" = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())

    async def call(self, method: str, request: Any) -> Any:
        """
        :raises XpcsError: what central answers · UNAVAILABLE · DEADLINE_EXCEEDED its outcome is unknown
        """
        wait_ms = request.get("waitMs") if isinstance(request, dict) else None
        deadline_s = CALL_DEADLINE_S + (min(max(wait_ms / 1000, 0), LONG_POLL_S) if isinstance(wait_ms, (int, float)) else 0)
        async with self._room:
            if self._reason is not None:
                raise XpcsError("UNAVAILABLE", self._reason.message)
            call_id = "-".join(secrets.token_hex(7) for _ in range(4))
            argument = {"type": "RAW", "value": request}
            frame = codec.encode_frame({"id": call_id, "type": "APPLY", "path": [method], "argumentList": [argument]})
            answer: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
            self._pending[call_id] = answer
            try:
                return await asyncio.wait_for(self._answer(method, frame, answer), deadline_s)
            except asyncio.TimeoutError:
                raise XpcsError("DEADLINE_EXCEEDED", f"{method}: no answer within {deadline_s:.0f} s; it may have happened") from None
            finally:
                del self._pending[call_id]

    async def _answer(self, method: str, frame: bytes, answer: "asyncio.Future[Any]") -> Any:
        try:
            await self._ws.send(frame)
        except ConnectionClosed as error:
            raise XpcsError("UNAVAILABLE", f"{method}: {_close_reason(error).message}") from None
        return await answer

    async def close(self) -> None:
        """Harmless when repeated."""
        self._finish(XpcsError("UNAVAILABLE", "the link was closed"))
        await self._ws.close()
        self._reader.cancel()

    async def _read(self) -> None:
        try:
            while True:
                message = await self._ws.recv()
                if not isinstance(message, bytes):
                    raise XpcsError("CORRUPT_DATA", "central sent text, and frames are binary")
                self._deliver(codec.decode_frame(message))
        except ConnectionClosed as error:
            self._finish(_close_reason(error))
        except XpcsError as error:
            self._finish(error)
            await self._ws.close(4000, error.message[:40])
        except Exception as error:  # noqa: BLE001 - whatever it is, no call may wait for ever
            self._finish(XpcsError("UNAVAILABLE", f"the link failed: {error}"))

    def _deliver(self, message: Any) -> None:
        answer = self._pending.get(message.get("id", "")) if isinstance(message, dict) and isinstance(message.get("id"), str) else None
        # An answer that came after its deadline has nobody to go to.
        if answer is None or answer.done():
            return
        kind = message.get("type")
        if kind == "RAW":
            answer.set_result(message.get("value"))
        elif kind == "HANDLER" and message.get("name") == "throw":
            answer.set_exception(from_wire(message.get("value")))
        else:
            answer.set_exception(XpcsError("INTERNAL", "the peer answered with something that is no plain data"))

    def _finish(self, reason: XpcsError) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(XpcsError("UNAVAILABLE", reason.message))
        self.closed.set_result(reason)


async def open_link(way: Way, token: str, version: str) -> Tuple[Link, Dict[str, Any]]:
    """Dials, and shows the token.

    :returns: the link, and what central said of the token
    :raises XpcsError: UNAVAILABLE · PERMISSION_DENIED the token, or who answers · VERSION_MISMATCH · OVERLOADED too many wrong tokens · those of ``check_way``
    """
    link = Link(await _dial(way))
    try:
        welcome = await link.call("authenticate", {"token": token, "version": version, "party": "client"})
        if not isinstance(welcome, dict):
            raise XpcsError("CORRUPT_DATA", "central welcomes with something that is no plain data")
        return link, welcome
    except BaseException:
        await link.close()
        raise
