"""docs/deepcut.md is what the figures beside it say. The page's own code runs where DeepCut is installed."""

from validation import deepcut


def test_the_page_is_what_the_figures_say(monkeypatch):
    said = []
    monkeypatch.setattr(deepcut.Page, "write", lambda page, text: said.append(text))
    deepcut.PAGE.fill(deepcut.parts(deepcut.PAGE.figures()))
    assert said == [deepcut.PAGE.text()]
    assert "DeepcutTokenizer().model" in deepcut.EXAMPLE.findall(said[0])[0]
