import pytest

from kaslite.cli.output import Output
from kaslite.dashboard.plain import PlainView


@pytest.mark.parametrize(("output", "printed"), [(Output(), "words\n"), (Output(json=True), '{\n  "a": 1\n}\n')])
def test_a_result_is_printed_as_text_or_as_json(capsys, output, printed):
    output.say("words", {"a": 1})
    assert capsys.readouterr().out == printed


def test_json_output_is_strict():
    with pytest.raises(ValueError, match="JSON"):
        Output(json=True).say("", {"a": float("nan")})


def test_where_stderr_is_no_terminal_there_are_plain_lines():
    assert [type(view) for view in Output().views()] == [PlainView]


def test_quiet_has_no_view():
    assert Output(quiet=True).views() == []
