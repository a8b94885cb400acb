"""The command line: exit codes, messages, streams."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys

import pytest
from brief_toy import toy_graph

from supplyrisk import __version__
from supplyrisk.cli import EXIT_CODES, fraction, main, terminal, usd
from supplyrisk.errors import SolverError
from supplyrisk.report import brief


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(toy_graph().to_parquet(tmp_path_factory.mktemp("graph") / "toy"))


def run(capsys, *args: str) -> tuple[int, str, str]:
    code = main(list(args))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_version_and_help(capsys):
    assert run(capsys, "--version")[:2] == (0, f"supplyrisk {__version__}\n")
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for number, meaning in EXIT_CODES.items():
        assert f"{number}  {meaning}" in out
    assert run(capsys)[0] == 0
    assert "exit codes" in run(capsys, "brief", "--help")[1]


def test_brief_writes_and_prints(capsys, tmp_path, folder):
    out = tmp_path / "b.html"
    code, text, err = run(capsys, "brief", "--graph", folder, "--out", str(out))
    assert (code, err) == (0, "")
    assert text.startswith("# How far")
    assert text.rstrip().endswith(f"Written: {out}")
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_brief_json_equals_the_function(capsys, tmp_path, folder):
    code, text, _ = run(
        capsys, "brief", "--graph", folder, "--json", "--out", str(tmp_path / "b.html"), "--buyer", "JPN,USA"
    )
    assert code == 0
    want = json.loads(terminal.as_json(brief(toy_graph(), buyers=["JPN", "USA"]).to_dict()))
    got = json.loads(text)
    assert got == want


def test_quiet_prints_nothing(capsys, tmp_path, folder):
    assert run(capsys, "brief", "--graph", folder, "--quiet", "--out", str(tmp_path / "b.html")) == (0, "", "")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["brief", "--product", "galium.refined"], 2, "Did you mean 'gallium.refined'"),
        (["brief", "--buyer", "MSPP"], 2, "'MSP'"),
        (["brief", "--buyer", "Japan"], 2, "'JPN'"),
        (["brief", "--focal", "China"], 2, "'CHN'"),
        (["brief", "--measure", "CHN-2024-GA-US"], 2, "'CHN-2024-GA-US-BAN'"),
        (["brief", "--cap", "65"], 2, "Did you mean 65%?"),
        (["brief", "--cap", "many"], 2, "not a share"),
        (["brief", "--budget", "lots"], 2, "not an amount"),
        (["brief", "--bugdet", "5bn"], 2, "--budget"),
        (["breif"], 2, "brief"),
        (["brief", "--at", "yesterday"], 2, "ISO date"),
        (["brief", "--at", "2025-13-01"], 2, "ISO date"),
        (["score", "--at", ""], 2, "ISO date"),
        (["brief", "--buyer", "MPS"], 2, "Did you mean 'MSP'"),
        (["brief", "--focal", "CHINA"], 2, "'CHN'"),
        (["brief", "--product", ""], 2, "is empty"),
        (["brief", "--buyer", ","], 2, "is empty"),
        (["brief", "--out", ""], 2, "is empty"),
        (["brief", "--out", "."], 6, "cannot be written"),
        (["brief", "--product", "gallium.refined", "--buyer", "MYS"], 2, "Products with flows to Malaysia: ree.mine"),
        (["brief", "--buyer", "LUX"], 2, "nothing to report"),
        (["brief", "--product", "gallium.refined", "--cap", "5%"], 4, "gallium.refined"),
        (["brief", "--out", "absent/x.html"], 6, "cannot be written"),
        (["score", "--view", "controll"], 2, "'control'"),
        (["shock", "--measure", "CHN-2024"], 2, "CHN-2024-GA-US-BAN"),
        (["methods", "metrics"], 2, "metric"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_message(capsys, tmp_path, folder, monkeypatch, args, code, says):
    monkeypatch.chdir(tmp_path)
    if args[0] in ("brief", "score", "shock"):
        args = [*args, "--graph", folder]
    got, out, err = run(capsys, *args)
    assert got == code, err
    assert out == ""
    assert says in err
    assert err.startswith("supplyrisk: ")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_bad_value_is_not_a_misspelt_option(capsys):
    code, _, err = run(capsys, "brief", "--budget", "-5")
    assert code == 2
    assert "not an amount" in err
    assert "Did you mean" not in err


def test_validate_takes_the_graph_by_either_name(capsys, folder):
    plain = run(capsys, "validate", folder)
    assert plain[0] == 0
    assert run(capsys, "validate", "--graph", folder) == plain
    code, _, err = run(capsys, "validate", "absent", "--graph", folder)
    assert code == 2
    assert "two graphs" in err


def test_help_says_what_a_day_leaves_out(capsys):
    assert "figures published later are left out" in " ".join(run(capsys, "brief", "--help")[1].split())


def test_bad_data_is_code_3(capsys, tmp_path):
    assert run(capsys, "validate", str(tmp_path / "absent"))[0] == 3
    (tmp_path / "nodes.csv").write_text("node,product,country,kind,year,output\nx@CHN,x,CHN,producer,2024,-1\n")
    (tmp_path / "node.csv").write_text("a\n")
    code, _, err = run(capsys, "validate", str(tmp_path))
    assert code == 3
    assert "node.csv" in err
    (tmp_path / "node.csv").unlink()
    code, _, err = run(capsys, "validate", str(tmp_path))
    assert code == 3
    assert "below 0" in err
    assert "products.product" in err


def test_truncated_parquet_is_code_3(capsys, tmp_path):
    target = toy_graph().to_parquet(tmp_path / "g")
    (target / "links.parquet").write_bytes((target / "links.parquet").read_bytes()[:100])
    code, _, err = run(capsys, "score", "--graph", str(target))
    assert code == 3
    assert "links.parquet" in err


def test_solver_stopped_is_code_5(capsys, tmp_path, folder, monkeypatch):
    def stop(*args, **kwargs):
        raise SolverError("HiGHS hit the time limit", "time_limit")

    monkeypatch.setattr("supplyrisk.portfolio.optimize", stop)
    assert run(capsys, "optimize", "--graph", folder)[0] == 5


def test_the_other_commands(capsys, folder):
    for args in (
        ["score", "--by", "product,buyer", "--view", "control"],
        ["score", "--csv"],
        ["shock"],
        ["shock", "--measure", "CHN-2023-GA"],
        ["shock", "--ban", "JPN", "--product", "gallium.refined", "--buyer", "JPN"],
        ["optimize", "--cap", "95%", "--product", "ndfeb.magnet"],
        ["sources"],
        ["cite"],
    ):
        code, out, err = run(capsys, *args, "--graph", folder)
        assert (code, err) == (0, ""), (args, err)
        assert out
        if "--csv" not in args:
            code, out, err = run(capsys, *args, "--graph", folder, "--json")
            assert (code, err) == (0, "")
            assert json.loads(out)["format"].startswith("supplyrisk.")
    code, out, _ = run(capsys, "validate", folder)
    assert code == 0
    assert "0 problems" in out


def test_methods_lists_every_registry(capsys):
    code, out, _ = run(capsys, "methods", "--json")
    assert code == 0
    kinds = {r["kind"] for r in json.loads(out)["methods"]}
    assert {"metric", "measure", "engine", "lever", "constraint", "objective", "plot"} <= kinds
    assert "heatmap" in run(capsys, "methods", "plot")[1]


def test_amounts_and_shares():
    assert [usd(x) for x in ("5e9", "5bn", "5 bn", "5 billion", "$5,000m", "USD 5bn")] == [5e9] * 6
    assert (fraction("65%"), fraction(".65"), fraction("100%")) == (0.65, 0.65, 1.0)
    for bad in ("-1", "nan", "inf", "1e999", "5 bananas", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            usd(bad)
    for bad in ("-1%", "nan", "101%", "1.01", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            fraction(bad)


def test_progress_on_a_terminal_only(capsys, tmp_path, folder, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    assert main(["score", "--graph", folder]) == 0
    assert "scoring" in seen.getvalue()
    assert seen.getvalue().endswith("\r\x1b[2K")


def test_ascii_terminals(capsys, folder, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.say("Türkiye – 5 → 6 ≤ 7")
    sys.stdout.flush()
    assert raw.getvalue() == b"Turkiye - 5 -> 6 <= 7\n"


def test_a_closed_pipe_is_no_error(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "supplyrisk", "score", "--all", "--json", "--graph", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert err == b""


@pytest.mark.slow
@pytest.mark.deep  # the first command of the README runs the same
def test_the_main_job_needs_no_argument(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "supplyrisk", "brief"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "supplyrisk-brief.html").read_text(encoding="utf-8")
    assert page.count("<img ") >= 3
    assert "Primary gallium" in done.stdout


def test_sources_lists_the_readers_in_a_fresh_process():
    import json
    import subprocess
    import sys

    out = subprocess.run([sys.executable, "-m", "supplyrisk", "sources", "--json"], capture_output=True, check=True)
    names = {r["name"] for r in json.loads(out.stdout)["readers"]}
    assert {"baci", "usgs_mcs", "tidy", "wgi"} <= names
