"""How a page looks and answers, asked of the browser that renders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser import Page

CONTRAST_MIN = 4.5
TARGET_MIN = 44
FOCUS_MIN = 2
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

# Colours as they are rendered: the browser resolves variables, schemes and inheritance.
COLOURS = """(() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const background = start => {
    const layers = [];
    for (let at = start; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      layers.unshift(colour);
      if (colour[3] === 1) break;
    }
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(it => it / 255)
      .map(it => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const found = [];
  const say = (what, front, back) => found.push([what, contrast(over(front, back), back)]);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const words = texts.currentNode.textContent.trim();
    const owner = texts.currentNode.parentElement;
    if (words && owner.checkVisibility())
      say('text "' + words.slice(0, 30) + '"', parse(getComputedStyle(owner).color), background(owner));
  }
  for (const it of document.querySelectorAll('input:not([type=hidden]), button')) {
    const style = getComputedStyle(it);
    say('edge of ' + (it.id || it.value), parse(style.borderTopColor), background(it.parentElement));
    if (it.tagName === 'INPUT') say('content of ' + it.id, parse(style.color), background(it));
  }
  return {found, page: luminance(background(document.body))};
})()"""

FOCUSED = """(() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const style = getComputedStyle(it);
  return {
    name: it.name === 'decision' ? it.value : it.id || it.type || it.textContent,
    visible: it.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) || 0,
  };
})()"""

# A text that is wider than its place without the page scrolling is as unreadable.
OVERFLOW = """(() => {
  const top = document.scrollingElement;
  const out = [...document.querySelectorAll('main *')]
    .filter(it => it.checkVisibility() && it.getBoundingClientRect().right > top.clientWidth + 0.5)
    .map(it => it.tagName + ' ' + it.textContent.trim().slice(0, 20));
  return {out, width: top.scrollWidth, place: top.clientWidth};
})()"""

TARGETS = """[...document.querySelectorAll('input:not([type=hidden]), button, a')].map(it => {
  const box = it.getBoundingClientRect();
  return [it.id || it.value || it.textContent, Math.min(box.width, box.height)];
})"""

LABELS = """[...document.querySelectorAll('input:not([type=hidden])')].map(it => [
  it.id, it.autocomplete, [...it.labels].map(label => label.textContent.trim()).join()])"""


def fits(page: Page) -> str | None:
    """Why the page has to be scrolled sideways."""
    seen = page.run(OVERFLOW)
    if seen["width"] > seen["place"] or seen["out"]:
        return f"{seen['width']} px in {seen['place']}: {seen['out'][:3]}"
    return None


def contrast(page: Page, scheme: str) -> str | None:
    """What is hard to see."""
    seen = page.run(COLOURS)
    if (seen["page"] > 0.5) != (scheme == "light"):
        return f"the page is not {scheme}"
    if not seen["found"]:
        return "nothing to look at"
    poor = [f"{what}: {ratio:.2f}" for what, ratio in seen["found"] if ratio < CONTRAST_MIN]
    return "; ".join(poor) or None


def targets(page: Page) -> str | None:
    """What is hard to hit."""
    small = [f"{name}: {size} px" for name, size in page.run(TARGETS) if size < TARGET_MIN]
    return "; ".join(small) or None


def looks(page: Page, name: str, pictures: Path) -> list[str]:
    """Looks at the page at every width, size of text and scheme; leaves a picture of each."""
    wrong = []
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        for width in (320, 1280):
            page.size(width)
            checks = (fits(page), contrast(page, scheme), targets(page))
            wrong += [f"{scheme} {width} px: {why}" for why in checks if why]
            page.picture(pictures / f"{name}-{scheme}-{width}.png")
    for width in (640, 1280, 320):
        page.size(width)
        page.run("document.documentElement.style.fontSize = '200%'")
        if why := fits(page):
            wrong.append(f"text of 200 %, {width} px: {why}")
        page.run("document.documentElement.style.fontSize = ''")
    page.size(1280)
    page.scheme("light")
    return wrong


def tab_stops(page: Page) -> list[str]:
    """Where the Tab key leads from here, and whether it shows; the browser's own controls end the round."""
    stops: list[str] = []
    for _ in range(12):
        page.press("Tab")
        at = page.run(FOCUSED)
        if at is None or (stops and at["name"] == stops[0]):
            break
        stops.append(at["name"] if at["visible"] >= FOCUS_MIN else f"{at['name']} (not to be seen)")
    return stops


def focused(page: Page) -> str | None:
    at: dict[str, Any] | None = page.run(FOCUSED)
    return at and str(at["name"])


def axe(page: Page, source: str) -> tuple[list[str], list[str]]:
    """Violations that axe-core finds in both schemes, and the names of the rules that it tried."""
    page.run(source)
    wrong, rules = [], set()
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        options = {"runOnly": {"type": "tag", "values": AXE_TAGS}, "resultTypes": ["violations"]}
        seen = page.run(
            f"axe.run(document, {options!r}).then(it => ({{"
            " tried: [...it.passes, ...it.violations, ...it.incomplete].map(rule => rule.id),"
            " wrong: it.violations.map(rule => rule.id + ': ' + rule.nodes.map(n => n.html.slice(0, 80)).join(' | '))"
            " }))"
        )
        rules |= set(seen["tried"])
        wrong += [f"{scheme}: {it}" for it in seen["wrong"]]
    page.scheme("light")
    return wrong, sorted(rules)
