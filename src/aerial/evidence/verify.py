"""Verify an evidence package by itself, offline: every changed, missing or extra file and row is named.

What a package cannot tell by itself is whether all of it was written anew: the root hash, printed in the
report, does. Nothing of a package is trusted: only names that were found in it are ever opened, links are
not followed, and nothing is unpacked.
"""

import hashlib
from pathlib import Path
from typing import IO

from aerial.errors import EvidenceError
from aerial.evidence import bag
from aerial.evidence.contents import LOG, content_findings, log_findings
from aerial.evidence.opened import Opened, open_package, read
from aerial.records import Finding

_CHUNK = 1 << 20
_ASK = "Ask for the package again, and for the log of who had it."


def verify_package(path: Path, *, root: str | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with the package at ``path`` (a folder or a zip); it is whole if nothing fails.

    ``root`` is the hash that the report prints. Without it every accident and every single change is
    found, but not a package that somebody wrote anew as a whole: that is said as a warning.

    Raises:
        EvidenceError: nothing is there.
    """
    if not path.exists():
        raise EvidenceError(f"{path} is not there.", hint="Give the package, a folder or a .zip.")
    try:
        with open_package(path) as package:
            found = _verified(package, root)
    except EvidenceError as error:
        return (_fail("container", str(error), error.hint),)
    return found


def _verified(package: Opened, root: str | None) -> tuple[Finding, ...]:
    findings = [_fail("name", message) for message in package.refused]
    findings += _tags(package, root)
    listed = _manifest(package, findings)
    if listed is None:
        return tuple(findings)
    findings += _files(package, listed)
    # What a file says is looked at only when it is the file that was written.
    if not findings:
        findings += [_fail(code, message) for code, message in content_findings(package)]
    if not findings:
        told = f"{len(listed)} files, the audit log and its heads are what was written."
        findings.append(Finding(level="pass", code="whole", message=told))
    if root is None:
        findings.append(
            Finding(
                level="warn",
                code="root",
                message="The root hash was not given: a package that was written anew as a whole would pass.",
                hint="Give the root that the report prints: --root HASH.",
            )
        )
    return tuple(findings)


def _tags(package: Opened, root: str | None) -> list[Finding]:
    """Check the tag files against the tag manifest, and that against the root."""
    own = {*bag.TAGGED, bag.TAGS_FILE}
    findings = [_missing(name) for name in sorted(own - package.sizes.keys())]
    outside = sorted(name for name in package.sizes if not name.startswith(bag.PAYLOAD))
    findings += [_extra(name) for name in outside if name not in own]
    if bag.TAGS_FILE not in package.sizes:
        return findings
    try:
        data = read(package, bag.TAGS_FILE, bag.MOST_TAG_BYTES)
        if root is not None and bag.root_of(data) != root.strip().lower():
            findings.append(
                _fail("root", f"The root hash is {bag.root_of(data)}, not {root}: this is another package.")
            )
        tags = bag.read_manifest(data, bag.TAGS_FILE)
    except EvidenceError as error:
        return [*findings, _fail("changed", str(error))]
    if set(tags) != set(bag.TAGGED):
        findings.append(_fail("changed", f"{bag.TAGS_FILE} does not list exactly {', '.join(bag.TAGGED)}."))
    for name in bag.TAGGED:
        if name in package.sizes and name in tags:
            findings += _compared(package, name, tags[name])
    return findings


def _manifest(package: Opened, findings: list[Finding]) -> dict[str, str] | None:
    """Return the payload's hashes by path; None, and a finding, where they cannot be read."""
    if bag.MANIFEST_FILE not in package.sizes:
        return None
    try:
        data = read(package, bag.MANIFEST_FILE, bag.MOST_TAG_BYTES)
        listed = bag.read_manifest(data, bag.MANIFEST_FILE)
    except EvidenceError as error:
        findings.append(_fail("changed", str(error)))
        return None
    outside = [name for name in listed if not name.startswith(bag.PAYLOAD)]
    findings += [
        _fail("changed", f"{bag.MANIFEST_FILE} names {bag.told(name)}, which is not below data/.")
        for name in outside
    ]
    return None if outside else listed


def _files(package: Opened, listed: dict[str, str]) -> list[Finding]:
    findings = []
    there = {name for name in package.sizes if name.startswith(bag.PAYLOAD)}
    for name in sorted(listed.keys() | there):
        if name not in there:
            findings.append(_missing(name))
        elif name not in listed:
            findings.append(_extra(name))
        else:
            changed = _compared(package, name, listed[name])
            findings += changed
            if changed and name == LOG:
                findings += [_fail(code, message) for code, message in log_findings(package)]
    return findings


def _compared(package: Opened, name: str, sha256: str) -> list[Finding]:
    try:
        with package.open(name) as file:
            held = _sha256(file)
    except EvidenceError as error:
        return [_fail("changed", str(error))]
    if held == sha256:
        return []
    return [_fail("changed", f"{bag.told(name)} was changed: its hash is {held}, not {sha256}.")]


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _missing(name: str) -> Finding:
    return _fail("missing", f"{bag.told(name)} is missing.")


def _extra(name: str) -> Finding:
    return _fail("extra", f"{bag.told(name)} does not belong to the package.")


def _fail(code: str, message: str, hint: str = _ASK) -> Finding:
    return Finding(level="fail", code=code, message=message, hint=hint)
