"""A private Sigstore on the loopback interface, of the real programs; up in about a second.

    with private_sigstore(programs) as sigstore:
        sigstore.trusted_root        # what verifiers believe
        sigstore.configs["rekor2"]   # what signers use: `rekor2` (with timestamps), `rekor1`, `timestamps` alone
        sigstore.identities.github("acme/app")

Fulcio issues certificates for the tokens of `identities`, and TesseraCT logs them. Beside the two generations of Rekor and
the timestamp authority this is all that keyless signing takes.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.identity_provider import IdentityProvider, identity_provider
from tests.kit.servers import free_port, printing_its_address, server_folder, starting
from tests.kit.sigstore_keys import PASSWORD, write_fulcio_settings, write_keys

PROGRAMS = ("cosign", "fulcio", "tesseract", "timestamp_authority", "rekor_tiles", "rekor", "trillian")
"""The tools (tests/tools/provide.py) that it takes."""

_START = "2026-01-01T00:00:00Z"
"""Since when its keys are valid for verifiers: any time before they are made."""


@dataclass(frozen=True, slots=True)
class PrivateSigstore:
    """Where its parts answer, and the files that clients need.

    `configs` are signing configurations by what vouches for the time: `rekor2` with the timestamp authority, `rekor1`, or
    `timestamps` alone. `trust_config` is trusted root and the first of them in one file, as sigstore-python reads it.
    """

    identities: IdentityProvider
    fulcio: str
    timestamps: str
    rekor1: str
    trusted_root: Path
    configs: Mapping[str, Path]
    trust_config: Path


@contextmanager
def private_sigstore(programs: Mapping[str, Path]) -> Iterator[PrivateSigstore]:
    """Start all parts, and end them with the block."""
    with ExitStack() as stack:
        folder = stack.enter_context(server_folder())
        write_keys(folder)
        identities = stack.enter_context(identity_provider())
        write_fulcio_settings(folder / "fulcio.yaml", identities.address)
        ports = {name: free_port() for name in ("fulcio", "timestamps", "rekor2", "rekor1")}
        addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        certificate_log = stack.enter_context(printing_its_address(*_certificate_log(programs, folder)))
        entries = stack.enter_context(printing_its_address(str(programs["trillian"])))
        commands = {
            "timestamps": _timestamps(programs, folder, ports["timestamps"]),
            "rekor2": _rekor2(programs, folder, ports["rekor2"]),
            "rekor1": _rekor1(programs, folder, ports["rekor1"], entries),
            "fulcio": _fulcio(programs, folder, ports["fulcio"], certificate_log),
        }
        alive = {"timestamps": "ping", "rekor2": "healthz", "rekor1": "ping", "fulcio": "healthz"}
        ready = [
            stack.enter_context(
                starting(
                    command,
                    folder / f"{name}.log",
                    {"HOME": str(folder)},
                    _answers(f"{addresses[name]}/{alive[name]}"),
                )
            )
            for name, command in commands.items()
        ]
        for wait in ready:
            wait()
        yield _described(programs, folder, identities, addresses | {"ct": f"http://{certificate_log}"})


def _certificate_log(programs: Mapping[str, Path], folder: Path) -> tuple[str, ...]:
    (folder / "ct").mkdir()
    files = ("-folder", f"{folder}/ct", "-key", f"{folder}/ct.key", "-roots", f"{folder}/fulcio-root.pem")
    return (str(programs["tesseract"]), *files)


def _timestamps(programs: Mapping[str, Path], folder: Path, port: int) -> list[str]:
    return [
        *(str(programs["timestamp_authority"]), "serve", "--host", "127.0.0.1", "--port", str(port)),
        *("--timestamp-signer", "file", "--file-signer-key-path", f"{folder}/tsa.key"),
        *("--file-signer-passwd", PASSWORD, "--certificate-chain-path", f"{folder}/tsa.pem"),
        "--disable-ntp-monitoring",
    ]


def _rekor2(programs: Mapping[str, Path], folder: Path, port: int) -> list[str]:
    # The host name becomes the origin of the log's notes, which clients compare with the one in the trusted root.
    return [
        *(str(programs["rekor_tiles"]), "serve", "--hostname", "127.0.0.1"),
        *("--http-address", "127.0.0.1", "--http-port", str(port)),
        *("--grpc-address", "127.0.0.1", "--grpc-port", str(free_port())),
        *("--http-metrics-port", str(free_port()), "--storage-dir", f"{folder}/rekor2"),
        *("--signer-filepath", f"{folder}/rekor.key"),
        *("--checkpoint-interval", "100ms", "--batch-max-age", "20ms"),
    ]


def _rekor1(programs: Mapping[str, Path], folder: Path, port: int, entries: str) -> list[str]:
    host, _, entries_port = entries.rpartition(":")
    calls = "getLogInfo getPublicKey getLogProof createLogEntry getLogEntryByIndex getLogEntryByUUID searchLogQuery"
    return [
        *(str(programs["rekor"]), "serve", "--port", str(port)),
        *("--rekor_server.address", "127.0.0.1", "--rekor_server.hostname", "rekor1.test"),
        *("--trillian_log_server.address", host, "--trillian_log_server.port", entries_port),
        *("--rekor_server.signer", f"{folder}/rekor1.key"),
        *("--enabled_api_endpoints", calls.replace(" ", ",")),
    ]


def _fulcio(programs: Mapping[str, Path], folder: Path, port: int, certificate_log: str) -> list[str]:
    return [
        *(str(programs["fulcio"]), "serve", "--host", "127.0.0.1", "--port", str(port)),
        *("--grpc-host", "127.0.0.1", "--grpc-port", str(free_port()), "--metrics-port", str(free_port())),
        *("--ca", "fileca", "--fileca-cert", f"{folder}/fulcio.pem", "--fileca-key", f"{folder}/fulcio.key"),
        *("--fileca-key-passwd", PASSWORD, "--fileca-watch=false", "--config-path", f"{folder}/fulcio.yaml"),
        *("--ct-log-url", f"http://{certificate_log}", "--ct-log-public-key-path", f"{folder}/ct.pub"),
        *("--legacy-unix-domain-socket", f"{folder}/fulcio.sock"),
    ]


def _described(
    programs: Mapping[str, Path], folder: Path, identities: IdentityProvider, addresses: Mapping[str, str]
) -> PrivateSigstore:
    """Write what clients need, with cosign: the trusted root, and how to sign."""
    timestamps = f"{addresses['timestamps']}/api/v1/timestamp"
    valid = f"start-time={_START}"

    def written(kind: str, name: str, *options: str) -> Path:
        path = folder / f"{name}.json"
        command = [str(programs["cosign"]), kind, "create", *options, "--out", str(path)]
        subprocess.run(command, check=True, capture_output=True, env={"HOME": str(folder)})
        return path

    root = written(
        "trusted-root",
        "trusted_root",
        f"--fulcio=url={addresses['fulcio']},certificate-chain={folder}/fulcio.pem",
        f"--ctfe=url={addresses['ct']},public-key={folder}/ct.pub,{valid}",
        f"--rekor=url={addresses['rekor1']},public-key={folder}/rekor1.pub,{valid}",
        f"--rekor=url={addresses['rekor2']},public-key={folder}/rekor.pub,{valid},origin=127.0.0.1",
        f"--tsa=url={timestamps},certificate-chain={folder}/tsa.pem",
    )
    common = (
        f"--fulcio=url={addresses['fulcio']},api-version=1,{valid},operator=test",
        f"--oidc-provider=url={identities.address},api-version=1,{valid},operator=test",
    )
    stamped = (f"--tsa=url={timestamps},api-version=1,{valid},operator=test", "--tsa-config=ANY")

    def logged(version: int) -> tuple[str, str]:
        where = f"url={addresses[f'rekor{version}']},api-version={version},{valid},operator=test"
        return f"--rekor={where}", "--rekor-config=ANY"

    configs = {
        "rekor2": written("signing-config", "rekor2", *common, *logged(2), *stamped),
        "rekor1": written("signing-config", "rekor1", *common, *logged(1)),
        "timestamps": written("signing-config", "timestamps", *common, *stamped),
    }
    trust_config = folder / "trust_config.json"
    trust_config.write_text(
        json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
                "trustedRoot": json.loads(root.read_text()),
                "signingConfig": json.loads(configs["rekor2"].read_text()),
            }
        )
    )
    return PrivateSigstore(
        identities, addresses["fulcio"], timestamps, addresses["rekor1"], root, configs, trust_config
    )


def _answers(address: str) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return asked
