"""Where a setting comes from."""

import os
import re
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial.errors import InputError, WorkspaceError
from aerial.records import CaseSettings, NotifierConfig, Officer, Retention, SinkConfig
from aerial.settings import Settings, load_settings, secret_of, write_settings
from aerial.settings.write import _toml


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each level is used where the ones above it say nothing."""
    path = tmp_path / "aerial.toml"
    path.write_text('schema = 1\ngsd_m = 0.10\nengine = "odm"\nbaseline_days = 60\n')
    environment = {"AERIAL_GSD_M": "0.08", "AERIAL_NODES": "http://a:3000 http://b:3000", "AERIAL_TOWN": "x"}
    settings = load_settings(path, environment=environment, flags={"engine": "local", "gsd_m": None})
    expected = Settings(
        gsd_m=0.08, engine="local", nodes=("http://a:3000", "http://b:3000"), baseline_days=60, crs=None
    )
    assert expected == settings


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Set values as values, unset ones as comments."""
    settings = Settings(crs="EPSG:4547", nodes=("http://a:3000",))
    write_settings(tmp_path / "aerial.toml", settings)
    assert settings == load_settings(tmp_path / "aerial.toml", environment={})
    assert "# gsd_m =" in (tmp_path / "aerial.toml").read_text()


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("gsd = 0.05", {}, "gsd"),
        ('gsd_m = "0.05"', {}, "expected a number"),
        ("baseline_days = 1.5", {}, "expected a whole number"),
        ("gsd_m = 50", {}, "not the pixel size"),
        ('crs = "EPSG:3857"', {}, "true metres"),
        ('crs = "EPSG:4326"', {}, "true metres"),
        ("= 3", {}, "is not TOML"),
        ("", {"AERIAL_GSDM": "0.05"}, "AERIAL_GSDM is not a setting"),
        ("", {"AERIAL_GSD_M": "five"}, "is not a number"),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, text: str, environment: dict[str, str], message: str) -> None:
    """Misspelt keys, wrong types and impossible values never become a silent default."""
    (tmp_path / "aerial.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(tmp_path / "aerial.toml", environment=environment)
    assert caught.value.hint


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old program must not misread a newer town."""
    (tmp_path / "aerial.toml").write_text("schema = 2")
    with pytest.raises(WorkspaceError, match="schema 2"):
        load_settings(tmp_path / "aerial.toml", environment={})


FULL = Settings(
    crs="EPSG:4547",
    ledger="postgresql://aerial@db.intranet/cases",
    cases=CaseSettings(
        division="441900",
        table="gbt30428-2",
        matter="0101",
        matters={"excavation": "0101"},
        authority_code="91350100M000100Y43",
        authority_name='某市"城管"局',
        gnss_datum="cgcs2000",
        deadline_work_hours=4.5,
        hours=("09:00-12:00",),
        secrecy="internal",
        officers=(
            Officer(name="张三", communities=("锦厦社区",), accounts={"squad": "zhang.san"}),
            Officer(name="李四", cells=("A1", "A2")),
        ),
    ),
    sinks=(
        SinkConfig(name="folder", kind="folder", url="outbox"),
        SinkConfig(
            name="city",
            kind="http",
            url="https://cases.intranet/add?app=1",
            secret="CITY_KEY",  # noqa: S106
            quiet_s=120.0,
            options={
                "fields": {"typeFirstID": "SXDM", "a b": "SFWZ", "api_key": "cell"},
                "ok": [200, 201],
                "headers": {"Authorization": "Bearer {secret}"},
                "files": {"token": "upload.token"},
                "utf8": True,
                "since": date(2026, 1, 1),
            },
        ),
    ),
    notifiers=(
        NotifierConfig(name="squad", kind="wecom", secret="squad.key", link="http://aerial/{case}"),  # noqa: S106
    ),
    retention=Retention(keep_days=180, keep_case_days=1825, budget_gb=4000.0),
)


def test_the_tables_of_cases_are_written_and_read(tmp_path: Path) -> None:
    """Nested options, lists, dates, quotes and Chinese come back as they were."""
    path = tmp_path / "aerial.toml"
    write_settings(path, FULL)
    assert load_settings(path, environment={}) == FULL


@given(st.text(), st.text(min_size=1))
def test_any_text_survives_the_file(name: str, key: str) -> None:
    """Control characters, quotes, backslashes and line ends included."""
    assert tomllib.loads(f"value = {_toml({key: [name]})}") == {"value": {key: [name]}}


def test_the_sample_of_a_new_town_can_be_uncommented(tmp_path: Path) -> None:
    """Every sample line loads once what names the town is filled in; as it is, it is refused."""
    path = tmp_path / "aerial.toml"
    write_settings(path, Settings(crs="EPSG:4547"))
    text = path.read_text(encoding="utf-8")
    assert load_settings(path, environment={}) == Settings(crs="EPSG:4547")
    text = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_settings(path, environment={})
    for placeholder, value in (
        ("六位行政区划代码", "441900"),
        ("统一社会信用代码", "91350100M000100Y43"),
        ("先问保密部门", "internal"),
    ):
        assert text.count(f'"{placeholder}"') == 1
        with pytest.raises(InputError):
            load_settings(path, environment={})
        text = text.replace(f'"{placeholder}"', f'"{value}"')
        path.write_text(text, encoding="utf-8")
    settings = load_settings(path, environment={})
    assert (settings.cases.division, settings.cases.secrecy) == ("441900", "internal")
    assert (settings.sinks[0].name, settings.notifiers[0].secret) == ("folder", "WECOM_KEY")
    assert settings.retention.budget_gb == 4000


def test_only_simple_keys_come_from_the_environment(tmp_path: Path) -> None:
    """The ledger does, with its password; a table does not, and other variables of the prefix are let be."""
    path = tmp_path / "aerial.toml"
    path.write_text("")
    url = "postgresql://aerial:geheim@db/cases"
    environment = {
        "AERIAL_LEDGER": url,
        "AERIAL_LINK": "sim:",
        "AERIAL_MAVLINK_KEY": "x",
        "AERIAL_CITY_KEY": "x",
    }
    assert load_settings(path, environment=environment).ledger == url
    for table in ("CASES", "SINKS", "NOTIFIERS", "RETENTION"):
        with pytest.raises(InputError, match=f"AERIAL_{table} cannot be set"):
            load_settings(path, environment={f"AERIAL_{table}": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[cases]\ndivison = "441900"', "divison"),
        ('[cases]\ndivision = "44190"', "division"),
        ('[cases]\ntable = "gbt0"', "No code table is called"),
        ('[cases]\nmatter = "6-1"', "matter"),
        ('[cases]\nmatters = { shed = "06001" }', "matters"),
        ('[cases]\nauthority_code = "91350100M000100Y44"', "check character"),
        ('[cases]\naddress = "{lon_deg}"', "address"),
        ('[cases]\ngnss_datum = "gcj02"', "gnss_datum"),
        ('[cases]\nsecrecy = "none"', "secrecy"),
        ("[cases]\naddress_max = 0", "address_max"),
        ("[cases]\nnear_m = nan", "near_m"),
        ("[cases]\nutc_offset_h = 800", "utc_offset_h"),
        ("[cases]\ndeadline_work_days = 0", "deadline_work_days"),
        ("[cases]\ndeadline_work_hours = 0", "deadline_work_hours"),
        ("[cases]\ndeadline_work_days = 7\ndeadline_work_hours = 4.0", "are both set"),
        ('[cases]\nhours = ["8-12"]', "part of a working day"),
        ('[cases]\nofficers = [{ name = "a" }, { name = "a" }]', "officers"),
        ('[[sinks]]\nname = "a"', "kind is missing"),
        ('[[sinks]]\nname = "a"\nkind = "folder"\ncolour = 3', "colour"),
        ('[[sinks]]\nname = "../a"\nkind = "folder"', "name in sinks"),
        ('[[sinks]]\nname = "a"\nkind = "b"\n[[sinks]]\nname = "a"\nkind = "b"', "name in sinks"),
        ('[[sinks]]\nname = "a"\nkind = "b"\nquiet_s = -1', "quiet_s"),
        ('[[sinks]]\nname = "a"\nkind = "b"\ntimeout_s = 0', "timeout_s"),
        ('[[notifiers]]\nname = "a"\nkind = "sms"', "kind of a"),
        ('[[notifiers]]\nname = "a"\nkind = "wecom"\nper_minute = 0', "per_minute"),
        ('[[notifiers]]\nname = "a"\nkind = "wecom"\nlink = "http://x/"', "link of a"),
        ("[retention]\nkeep_days = 0", "keep_days"),
        ("[retention]\nkeep_days = 90\nkeep_case_days = 30", "keep_case_days"),
        ("[retention]\nbudget_gb = inf", "budget_gb"),
    ],
)
def test_an_impossible_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With the key's name and what to write; a case is never made by half a setting."""
    (tmp_path / "aerial.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(tmp_path / "aerial.toml", environment={})
    assert caught.value.hint


KEYS = (
    "693a91f6-7a1b-4bc4-97a0-0ec2c1fa5aaa",
    "c0ffee" * 6 + "abcd",
    "SEC000000000000000000000",
    "AKIAIOSFODNN7EXAMPLE",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "hunter2",
    "Passwort!",
    "../city.key",
    "/etc/city.key",
    "",
)


@pytest.mark.parametrize("table", ["sinks", "notifiers"])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated(
    tmp_path: Path, key: str, table: str
) -> None:
    """Keys of robots, trackers and clouds, passwords and paths; the message shows none."""
    (tmp_path / "aerial.toml").write_text(f'[[{table}]]\nname = "a"\nkind = "wecom"\nsecret = "{key}"')
    with pytest.raises(InputError, match="is not a name") as caught:
        load_settings(tmp_path / "aerial.toml", environment={})
    assert not key or key not in str(caught.value) + caught.value.hint
    with pytest.raises(InputError, match="is not a name"):
        secret_of(SinkConfig(name="a", kind="b", secret=key), tmp_path, {key: "x"})


@pytest.mark.parametrize(
    "text",
    [
        'ledger = "postgresql://aerial:geheim7@db/cases"',
        '[[sinks]]\nname = "a"\nkind = "b"\nsecret = 7777777',
        '[[sinks]]\nname = "a"\nkind = "b"\nurl = "https://u:geheim7@host/"',
        '[[sinks]]\nname = "a"\nkind = "b"\noptions = { password = "geheim7" }',
        '[[sinks]]\nname = "a"\nkind = "b"\noptions = { headers = { Authorization = "Basic geheim7" } }',
        '[[sinks]]\nname = "a"\nkind = "b"\n[sinks.options.auth]\napi_key = "geheim7"',
        '[[sinks]]\nname = "a"\nkind = "b"\noptions = { list = ["https://host/?access_token=geheim7"] }',
        '[[notifiers]]\nname = "a"\nkind = "wecom"\nurl = "https://host/send?key=geheim7"',
    ],
)
def test_no_secret_is_read_from_the_file_wherever_it_stands(tmp_path: Path, text: str) -> None:
    """In URLs, options and headers, at any depth; the message shows none of it."""
    (tmp_path / "aerial.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path / "aerial.toml", environment={})
    said = str(caught.value) + caught.value.hint
    assert "geheim" not in said
    assert "7777777" not in said
    assert "0600" in said


def test_a_secret_comes_from_the_environment_else_from_a_file_of_its_owner(tmp_path: Path) -> None:
    """The environment counts first; blanks and line ends around the key are none of it."""
    named = SinkConfig(name="city", kind="http", secret="CITY_KEY")  # noqa: S106
    assert secret_of(named, tmp_path, {"CITY_KEY": "k1\n"}) == "k1"
    filed = NotifierConfig(name="squad", kind="wecom", secret="squad.key")  # noqa: S106
    (tmp_path / "squad.key").touch(mode=0o600)
    (tmp_path / "squad.key").write_text("k2\r\n")
    assert secret_of(filed, tmp_path, {}) == "k2"
    assert secret_of(filed, tmp_path, {"squad.key": "k3"}) == "k3"
    assert secret_of(SinkConfig(name="a", kind="folder"), tmp_path, {}) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps who may read elsewhere than in the mode")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Group and others, reading and writing."""
    path = tmp_path / "city.key"
    path.write_text("geheim")
    os.chmod(path, mode)  # noqa: PTH101
    with pytest.raises(InputError, match="Others may read") as caught:
        secret_of(SinkConfig(name="city", kind="http", secret="city.key"), tmp_path, {})  # noqa: S106
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("secret", ["CITY_KEY", "city.key"])
@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfegeheim"])
def test_a_secret_that_is_nowhere_or_empty_is_told(
    tmp_path: Path, secret: str, content: bytes | None
) -> None:
    """With where to put it, and without what else is there."""
    if content is not None:
        (tmp_path / secret).touch(mode=0o600)
        (tmp_path / secret).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(secret)) as caught:
        secret_of(SinkConfig(name="city", kind="http", secret=secret), tmp_path, {})
    assert "geheim" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None
