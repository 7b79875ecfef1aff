"""What class names, ids, roles and item properties say about an element: groups of keywords found by one automaton."""

from __future__ import annotations

import functools
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined
from curate.text import Bytes

#: group -> keywords; `^` stands for any byte that is no letter, and for either end of the value
GROUPS: dict[str, str] = {
    "comment": "comment kommentar disqus respond^ replies discussion coment livefyre talkback ^reply",
    "sidebar": "sidebar side-bar ^aside ^rail^ rightrail right-rail secondary complementary ^side^ rightcol right-col leftcol seitenleiste",
    "related": "related recommend similar ^also^ ^more^ moreon more-from readmore readnext upnext popular trending mostread most-read"
    " latest recent recirc outbrain taboola zerg suggest verwandt ^weiter ^next^ ^prev",
    "share": "share sharing social facebook twitter pinterest whatsapp teilen partage compartir addthis follow ^like^ ^sns",
    "navigation": "^nav menu navbar navigation breadcrumb paginat ^pager ^toc^ tableofcontents sitemap ^skip dropdown toolbar docnav ^tabs^",
    "footer": "footer ^foot^ colophon ^bottom contentinfo",
    "header": "header masthead banner topbar ^top^ ^head^ ^hero",
    "advertisement": "^ad^ ^ads^ advert sponsor promo werbung anzeige ^dfp adsense doubleclick ^gpt billboard commercial ^cta^",
    "byline": "byline ^by^ author ^autor ^meta^ dateline ^date ^time publish posted credit ^source writer ^bio^ ^info^ postmeta",
    "tags": "^tag ^tags categor topics keyword labels taxonomy ^cats^",
    "subscribe": "newsletter subscri signup sign-up ^login ^register paywall premium account donat",
    "overlay": "cookie consent gdpr popup modal overlay ^dialog lightbox ^notice notification alert toast tooltip",
    "caption": "caption bildunterschrift legend",
    "media": "figure ^image ^img ^photo picture gallery slideshow carousel slider ^media video player audio thumb",
    "widget": "widget ^module ^box^ panel ^card teaser ^tile promo-",
    "content": "content inhalt contenido contenu",
    "article": "article artikel articulo",
    "body": "^body bodytext articlebody article-body storybody story-body entry-content post-content postbody ^text^ richtext ^prose"
    " markdown ^copy^ fulltext paragraph post_content article-content articletext blogpost",
    "entry": "^post^ ^posts^ ^entry story ^blog^ hentry beitrag ^news^ noticia",
    "main": "^main ^primary ^page^ ^center ^column",
    "title": "title headline heading ^hed^ titel kicker",
    "summary": "summary ^lead ^lede ^intro excerpt abstract description chapeau standfirst ^deck ^dek subtitle subhead",
    "form": "search suche ^form ^input filter",
    "list": "^list ^item ^grid ^feed archive ^index result ^row^",
    "reference": "reference reflist footnote bibliograph citation ^cite^ ^notes^ endnote",
    "hidden": "^hidden ^hide^ invisible visually screen-reader screenreader sr-only offscreen noprint print-only ^collapse",
    "tools": "^edit tools action button ^btn ^print^ feedback ^rating ^vote ^utility ^share-tools",
    "forum": "forum thread ^message question answer signature ^topic^",
    "product": "product price ^cart ^shop ^buy",
    "quote": "^quote pullquote pull-quote blockquote",
    "navbox": "infobox navbox catlinks metadata ambox hatnote ^mw-",
    "code": "^code highlight ^pre^ programlisting listing example syntax",
    "legal": "copyright disclaimer license ^legal ^terms privacy imprint impressum",
}
NAMES = tuple(GROUPS)
#: classes of bytes: 0 no letter, 1 to 26 the letters in either case
CLASSES = 27
#: numbers to a state: the next state for each class, then the set of groups that have a keyword that ends here
_WIDTH = CLASSES + 1
_SET = np.uint64(CLASSES)


class Words(NamedTuple):
    """The automaton: state plus class of the byte -> the next state; states are numbered in steps of _WIDTH."""

    following: npt.NDArray[np.uint16]
    column: npt.NDArray[np.uint8]  # byte -> class
    sets: npt.NDArray[np.uint64]  # set -> bits of its groups; the first is empty


@functools.cache
def words() -> Words:
    """The automaton of all groups (Aho and Corasick 1975); read-only."""
    column = np.zeros(256, np.uint8)
    for letter in range(26):
        column[97 + letter] = column[65 + letter] = letter + 1
    children: list[dict[int, int]] = [{}]
    found = [0]
    for group, keywords in enumerate(GROUPS.values()):
        for keyword in keywords.split():
            state = 0
            for char in keyword:
                kind = int(column[ord(char)])
                if kind not in children[state]:
                    children.append({})
                    found.append(0)
                    children[state][kind] = len(children) - 1
                state = children[state][kind]
            found[state] |= 1 << group
    following = np.zeros((len(children), _WIDTH), np.uint16)
    fail, queue = [0] * len(children), deque([0])
    while queue:
        state = queue.popleft()
        found[state] |= found[fail[state]]
        for kind in range(CLASSES):
            child = children[state].get(kind)
            shorter = int(following[fail[state], kind]) if state else 0
            following[state, kind] = shorter if child is None else child
            if child is not None:
                fail[child] = shorter
                queue.append(child)
    sets, numbers = np.unique(np.array(found, np.uint64), return_inverse=True)
    if len(children) * _WIDTH >= 1 << 16:
        raise ValueError(f"{len(children)} states are more than an automaton of 16 bits can number")
    following *= _WIDTH
    following[:, CLASSES] = numbers
    made = Words(following.ravel(), column, sets)
    for array in made:
        array.flags.writeable = False
    return made


@inlined
def groups_in(data: Bytes, start: int, stop: int, table: Words) -> tuple[np.uint64, np.uint64]:
    """(Bits of the groups of which a keyword stands in `data[start:stop]`, a hash of its letters)."""
    state = np.uint64(table.following[0])
    bits, value = np.uint64(0), np.uint64(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        kind = np.uint64(table.column[data[i]])
        state = np.uint64(table.following[state + kind])
        bits |= table.sets[table.following[state + _SET]]
        value = (value << np.uint64(5) | value >> np.uint64(59)) ^ kind
    state = np.uint64(table.following[state])
    return bits | table.sets[table.following[state + _SET]], value * np.uint64(0x9E3779B97F4A7C15)
