"""Source code: a file is a document, its programming language by name or suffix; the text as it is, licence header kept."""

from __future__ import annotations

import re
from typing import Any

from curate.documents import metadata_json
from curate.readers.plain import Unreadable, decode_any
from curate.readers.reader import ReadSettings, Tally

# Suffixes and file names by language, named as GitHub's linguist has them.
_LANGUAGES = """
Ada: adb ads; Assembly: asm s; Astro: astro; Awk: awk; Batchfile: bat cmd; C: c h; C#: cs csx; C++: cc cpp cxx c++ hh hpp hxx inl ipp;
CMake: cmake CMakeLists.txt; COBOL: cbl cob cpy; CSS: css; CUDA: cu cuh; Clojure: clj cljs cljc edn; CoffeeScript: coffee;
Common Lisp: lisp lsp; Crystal: cr; Cython: pyx pxd; D: d; Dart: dart; Dockerfile: Dockerfile Containerfile;
Elixir: ex exs; Elm: elm; Emacs Lisp: el; Erlang: erl hrl; F#: fs fsi fsx; Fortran: f f77 f90 f95 f03 f08 for;
GLSL: glsl vert frag; Go: go; GraphQL: graphql gql; Groovy: groovy gradle; HCL: tf hcl; Haskell: hs lhs; Haxe: hx;
Java: java; JavaScript: js mjs cjs jsx; Julia: jl; Kotlin: kt kts; Less: less; Lean: lean; Lua: lua;
Makefile: mk mak Makefile makefile GNUmakefile; MATLAB: m; Meson: meson.build; Nim: nim; Nix: nix; OCaml: ml mli;
Objective-C++: mm; PHP: php; Pascal: pas pp dpr; Perl: pl pm t; PowerShell: ps1 psm1 psd1; Prolog: pro prolog;
Protocol Buffer: proto; Python: py pyi pyw; R: r; Racket: rkt; Ruby: rb rake gemspec Rakefile Gemfile; Rust: rs; SCSS: scss;
SQL: sql; Sass: sass; Scala: scala sc sbt; Scheme: scm ss; Shell: sh bash zsh ksh; Solidity: sol; Starlark: bzl BUILD;
Svelte: svelte; Swift: swift; SystemVerilog: sv svh; Tcl: tcl; TeX: tex sty cls; Thrift: thrift; TypeScript: ts tsx mts cts;
VBA: bas; VHDL: vhd vhdl; Verilog: v vh; Vim Script: vim; Visual Basic .NET: vb; Vue: vue; XSLT: xsl xslt; Zig: zig
"""
LANGUAGES = {
    suffix: language.strip()
    for language, _, suffixes in (entry.partition(":") for entry in _LANGUAGES.split(";"))
    for suffix in suffixes.split()
}
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]*[\w.+)])")


def language_of(path: str) -> str | None:
    """The programming language that the name of a file tells; None for a name that tells none."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return LANGUAGES.get(name) or LANGUAGES.get(name.rpartition(".")[2].lower() if "." in name else "")


def parse_code(content: bytes, path: str, settings: ReadSettings, tally: Tally) -> dict[str, Any]:
    """A file -> its document. Raises Unreadable for what is no text."""
    text, encoding = decode_any(content)
    if "\0" in text[:8192]:
        raise Unreadable("a binary file, no source code")
    declared = _SPDX.search(text[:8192])
    known = {
        "programming_language": language_of(path),
        "spdx_license": declared[1].strip() if declared else None,
        "encoding": encoding if encoding != "utf-8" else None,
    }
    return {"text": text, "title": path.rsplit("/", 1)[-1], "metadata": metadata_json(known)}
