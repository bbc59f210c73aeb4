"""`bucketer migrate-agent`: what it reads, where it writes, what it says."""

import stat

from tests.fakes.terminals import Kept


def config(tmp_path, text="sdkKeys: [AbC]\nadmin: {port: '1'}\n"):
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return str(path)


def test_the_file_goes_to_standard_output_and_the_rest_to_standard_error(tmp_path):
    kept = Kept("migrate-agent", config(tmp_path))

    assert 0 == kept.status
    assert 'sdk_key = "AbC"' in kept.lines
    assert "admin.port: no counterpart" in kept.err
    assert "AbC" not in kept.err


def test_it_is_written_for_its_owner_alone_and_replaces_nothing_unasked(tmp_path):
    output = tmp_path / "bucketer.toml"
    first = Kept("migrate-agent", config(tmp_path), "-o", str(output))
    again = Kept("migrate-agent", config(tmp_path), "-o", str(output))
    forced = Kept("migrate-agent", config(tmp_path), "-o", str(output), "--force")

    assert (0, 1, 0) == (first.status, again.status, forced.status)
    assert "cannot_write" in again.err
    assert 0o600 == stat.S_IMODE(output.stat().st_mode)
    assert f"BUCKETER_CONFIG={output} bucketer serve" in first.err
    assert "" == first.out


def test_what_was_written_serves(tmp_path):
    output = tmp_path / "bucketer.toml"
    Kept("migrate-agent", config(tmp_path), "-o", str(output))

    assert 0 == Kept("settings", BUCKETER_CONFIG=str(output)).status


def test_json_has_both(tmp_path):
    kept = Kept("migrate-agent", config(tmp_path), "--json")

    assert {"toml", "notes"} == set(kept.json)
    assert any(note.startswith("admin.port") for note in kept.json["notes"])


def test_a_file_that_was_named_has_to_be_there(tmp_path):
    missing = str(tmp_path / "no.yaml")
    for kept in (
        Kept("migrate-agent", missing),
        Kept("migrate-agent", OPTIMIZELY_CONFIG_FILENAME=missing),
    ):
        assert 1 == kept.status
        assert "there is no such file" in kept.err


def test_variables_alone_are_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Kept("migrate-agent", OPTIMIZELY_SDKKEYS="AbC", OPTIMIZELY_API_PORT="81")

    assert 0 == kept.status
    assert {'sdk_key = "AbC"', "port = 81"} <= set(kept.lines)


def test_what_agent_could_not_read_is_refused(tmp_path):
    kept = Kept("migrate-agent", config(tmp_path, "a: [\n"))

    assert 1 == kept.status
    assert "invalid_agent_config" in kept.err
    assert "agent.yaml, line" in kept.err
