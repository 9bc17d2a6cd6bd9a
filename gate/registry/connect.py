"""Open connections only to addresses that may be contacted, whatever a name resolves to at that moment."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time

from gate.errors import Unavailable
from gate.registry.address import IPAddress, Reach, check_reach, literal, reach_of
from gate.registry.retries import Transient

Target = tuple[socket.AddressFamily, IPAddress, int]


class Connector:
    """Resolves and connects, and knows how near each host was that it connected to; shared by all threads."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], Reach] = {}
        self._lock = threading.Lock()

    def reach(self, host: str, port: int) -> Reach:
        """Return how near a host is, by every connection made to it so far: one that ever was public is public.

        A name that was never resolved here, because a proxy did it, counts as public, an address as what it is.
        """
        address = literal(host)
        if address is not None:
            return reach_of(address)
        with self._lock:
            return self._reached.get((host, port), Reach.PUBLIC)

    def connect(self, host: str, port: int, allowed: Reach, seconds: float) -> socket.socket:
        """Connect to the first address of a host that may be contacted and answers, within `seconds`.

        What was checked is what is connected to: the name is not resolved a second time, in which it could say
        something else.
        """
        until = time.monotonic() + seconds
        failed: OSError | None = None
        found = _allowed(host, _resolve(host, port, seconds), allowed)
        for number, (family, address, scope) in enumerate(found):
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                # One that is silent leaves time for the others: many networks have addresses of IPv6 that lead nowhere.
                connected = _open(family, address, (port, scope), left / (len(found) - number))
            except OSError as error:
                failed = error
                continue
            with self._lock:
                known = self._reached.get((host, port), Reach.LOOPBACK)
                self._reached[host, port] = min(known, reach_of(address))
            return connected
        if failed is None or isinstance(failed, TimeoutError):
            raise Transient(
                f"{host[:200]!r} cannot be reached within {seconds:.0f} s",
                hint="look at the network, a proxy or a firewall",
            )
        raise Unavailable(
            f"{host[:200]!r} cannot be reached at port {port}: {failed.strerror or failed}",
            hint="look at the name and the port, and at whether the registry runs",
        )


def _open(
    family: socket.AddressFamily, address: IPAddress, place: tuple[int, int], seconds: float
) -> socket.socket:
    """Connect to one address; `place` is port and scope."""
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(seconds)
        port, scope = place
        connected.connect((str(address), port) if address.version == 4 else (str(address), port, 0, scope))
    except BaseException:
        connected.close()
        raise
    return connected


def _allowed(host: str, found: list[Target], allowed: Reach) -> list[Target]:
    """Keep the addresses that may be contacted; where none may, say why."""
    kept = [target for target in found if reach_of(target[1]) <= min(allowed, Reach.LOOPBACK)]
    if not kept:
        check_reach(host, found[0][1], allowed)
    return kept


def _resolve(host: str, port: int, seconds: float) -> list[Target]:
    """Resolve a host within `seconds`: the system's resolver cannot be interrupted, so it works in a thread of its own."""
    address = literal(host)
    if address is not None:
        return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, address, 0)]
    answers: queue.SimpleQueue[list[Target] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_ask, args=(host, port, answers), name="registry-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise Transient(f"no name server tells within {seconds:.0f} s where {host[:200]!r} is") from None
    if isinstance(answer, OSError):
        again = isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN
        raise (Transient if again else Unavailable)(
            f"where {host[:200]!r} is cannot be found out: {answer.strerror or answer}",
            hint="look at the name, and at the name server of this machine",
        )
    if not answer:
        raise Unavailable(f"{host[:200]!r} has no address")
    return answer


def _ask(host: str, port: int, answers: queue.SimpleQueue[list[Target] | OSError]) -> None:
    """Ask the system's resolver."""
    try:
        found: list[Target] = []
        for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if family in (socket.AF_INET, socket.AF_INET6):
                # A zone (`fe80::1%eth0`) belongs to link-local addresses, which are refused without it as well.
                scope = int(place[3]) if len(place) == 4 else 0
                found.append((family, ipaddress.ip_address(str(place[0]).partition("%")[0]), scope))
        answers.put(found)
    except OSError as error:
        answers.put(error)
    except UnicodeError:
        answers.put(OSError(f"{host[:200]!r} is not a name"))
