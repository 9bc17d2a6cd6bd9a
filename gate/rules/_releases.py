"""Until when releases of distributions get security updates that everybody gets, as known on `AS_OF`.

Paid extensions (Ubuntu Pro, Red Hat ELS, SUSE LTSS) do not count; Debian LTS does, since its updates arrive without
asking. Dates are the last day. Where a source names a month only, it is the month's last day.

Sources, by distribution: Debian: wiki.debian.org/LTS. Ubuntu: ubuntu.com/about/release-cycle. Alpine:
alpinelinux.org/releases. Red Hat: access.redhat.com/support/policy/updates/errata. CentOS: centos.org/cl-vs-cs. Fedora:
fedorapeople.org/groups/schedule. Amazon: aws.amazon.com/amazon-linux-2/faqs, docs.aws.amazon.com/linux/al2023/release-notes.
Oracle: oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf. Rocky: wiki.rockylinux.org/rocky/version. Alma:
wiki.almalinux.org/release-notes. SUSE: suse.com/lifecycle. openSUSE: en.opensuse.org/Lifetime. Photon:
github.com/vmware/photon/wiki. Azure Linux: learn.microsoft.com/azure/azure-linux. All compared with the tables of Trivy
(aquasecurity/trivy, pkg/detector/ospkg, 2026-08-21).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

AS_OF = date(2026, 11, 23)

MAJOR, MINOR = 1, 2
"""How many numbers of `VERSION_ID` name a release."""

NUMBERS: Mapping[str, int] = {
    "almalinux": MAJOR, "alpine": MINOR, "amzn": MAJOR, "azurelinux": MINOR, "centos": MAJOR, "debian": MAJOR,
    "fedora": MAJOR, "mariner": MINOR, "ol": MAJOR, "opensuse-leap": MINOR, "photon": MINOR, "rhel": MAJOR,
    "rocky": MAJOR, "sles": MINOR, "ubuntu": MINOR,
}  # fmt: skip

ROLLING = frozenset({"arch", "chainguard", "gentoo", "opensuse-tumbleweed", "wolfi"})
"""Distributions without releases: there is nothing to reach the end of."""

ENDS: Mapping[str, Mapping[str, str]] = {
    "almalinux": {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"},
    "alpine": {
        "3.0": "2016-05-01", "3.1": "2016-11-01", "3.2": "2017-05-01", "3.3": "2017-11-01", "3.4": "2018-05-01",
        "3.5": "2018-11-01", "3.6": "2019-05-01", "3.7": "2019-11-01", "3.8": "2020-05-01", "3.9": "2020-11-01",
        "3.10": "2021-05-01", "3.11": "2021-11-01", "3.12": "2022-05-01", "3.13": "2022-11-01", "3.14": "2023-05-01",
        "3.15": "2023-11-01", "3.16": "2024-05-23", "3.17": "2024-11-22", "3.18": "2025-05-09", "3.19": "2025-11-01",
        "3.20": "2026-04-01", "3.21": "2026-12-05", "3.22": "2027-05-01", "3.23": "2027-11-01",
    },
    "amzn": {"1": "2023-12-31", "2": "2026-06-30", "2023": "2029-06-30"},
    "azurelinux": {"3.0": "2027-07-31"},
    "centos": {
        "5": "2017-03-31", "6": "2020-11-30", "7": "2024-06-30", "8": "2024-05-31", "9": "2027-05-31", "10": "2030-05-31",
    },
    "debian": {
        "7": "2018-05-31", "8": "2020-06-30", "9": "2022-06-30", "10": "2024-06-30", "11": "2026-08-31",
        "12": "2028-06-30", "13": "2030-06-30",
    },
    "fedora": {
        "36": "2023-05-16", "37": "2023-12-05", "38": "2024-05-21", "39": "2024-11-26", "40": "2025-05-13",
        "41": "2025-12-15", "42": "2026-05-13", "43": "2026-12-09",
    },
    "mariner": {"1.0": "2023-07-31", "2.0": "2025-07-31"},
    "ol": {"5": "2017-06-30", "6": "2021-03-31", "7": "2024-12-31", "8": "2029-07-31", "9": "2032-06-30", "10": "2035-06-30"},
    "opensuse-leap": {
        "42.1": "2017-05-17", "42.2": "2018-01-26", "42.3": "2019-06-30", "15.0": "2019-12-03", "15.1": "2020-11-30",
        "15.2": "2021-12-31", "15.3": "2022-12-31", "15.4": "2023-12-07", "15.5": "2024-12-31", "15.6": "2026-04-30",
        "16.0": "2027-10-31",
    },
    "photon": {"1.0": "2022-02-28", "2.0": "2022-12-31", "3.0": "2024-03-31", "4.0": "2026-03-31"},
    "rhel": {"5": "2017-03-31", "6": "2020-11-30", "7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "rocky": {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "sles": {
        "12": "2016-06-30", "12.1": "2017-05-31", "12.2": "2018-03-31", "12.3": "2019-06-30", "12.4": "2020-06-30",
        "12.5": "2024-10-31", "15": "2019-12-31", "15.1": "2021-01-31", "15.2": "2021-12-31", "15.3": "2022-12-31",
        "15.4": "2023-12-31", "15.5": "2024-12-31", "15.6": "2025-12-31", "15.7": "2031-07-31", "16.0": "2027-11-30",
    },
    "ubuntu": {
        "14.04": "2019-04-25", "16.04": "2021-04-30", "18.04": "2023-05-31", "20.04": "2025-05-31", "21.10": "2022-07-14",
        "22.04": "2027-04-30", "22.10": "2023-07-20", "23.04": "2024-01-25", "23.10": "2024-07-11", "24.04": "2029-05-31",
        "24.10": "2025-07-10", "25.04": "2026-01-15", "25.10": "2026-07-31", "26.04": "2031-05-31",
    },
}  # fmt: skip
"""The last day with updates, by `ID` of os-release and by release."""


def release_of(identity: str, version: str) -> str:
    """Return the release as `ENDS` names it, by `ID` and `VERSION_ID` of os-release."""
    if identity == "amzn" and version.startswith("201"):
        return "1"  # Amazon Linux 1 was numbered by year and month, 2018.03 being the last
    return ".".join(version.split(".")[: NUMBERS.get(identity, MINOR)])


def last_day(identity: str, version: str) -> date | None:
    """Return the last day with updates of a release; None where the table does not know it."""
    text = ENDS.get(identity, {}).get(release_of(identity, version))
    return None if text is None else date.fromisoformat(text)
