import json

from typer.testing import CliRunner

from dubbench.cli.mos import mos_app


def test_plan_says_how_many_listeners() -> None:
    result = CliRunner().invoke(mos_app, ["plan", "--within", "0.3", "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["needed"]["assumed, mean"] > 2 and len(told["plan"]) == 7
    none = CliRunner().invoke(mos_app, ["plan", "--clips", "4"])
    assert "take more clips" in none.stdout
