"""The table of steps: name in a pipeline file -> (module, class). Modules are imported when a file names them."""

from __future__ import annotations

from importlib import import_module

from curate.steps.step import Step

STEPS = {
    "extract": ("curate.steps.extract", "Extract"),
    "normalize": ("curate.steps.normalize", "Normalize"),
    "canonical_url": ("curate.steps.canonical_url", "CanonicalUrl"),
    "robots": ("curate.steps.robots", "Robots"),
    "url_rules": ("curate.steps.url_rules", "UrlRules"),
    "language": ("curate.steps.language", "Language"),
    "paragraph_language": ("curate.steps.paragraph_language", "ParagraphLanguage"),
    "scores": ("curate.steps.scores", "Scores"),
    "script": ("curate.steps.script", "Script"),
    "repetition": ("curate.steps.repetition", "Repetition"),
    "quality": ("curate.steps.quality", "Quality"),
    "redpajama": ("curate.steps.redpajama", "RedPajama"),
    "dolma": ("curate.steps.dolma", "Dolma"),
    "setu": ("curate.steps.setu", "Setu"),
    "flagged_words": ("curate.steps.flagged_words", "FlaggedWords"),
    "classifier": ("curate.steps.classifier", "Classifier"),
    "ensemble": ("curate.classifiers.ensemble", "Ensemble"),
    "toxicity": ("curate.steps.toxicity", "Toxicity"),
    "tag": ("curate.steps.tag", "Tag"),
    "nsfw": ("curate.steps.nsfw", "Nsfw"),
    "pii": ("curate.steps.pii", "Pii"),
    "decontaminate": ("curate.steps.decontaminate", "Decontaminate"),
    "lines": ("curate.steps.lines", "Lines"),
    "setu_lines": ("curate.steps.setu_lines", "SetuLines"),
    "perplexity": ("curate.steps.perplexity", "Perplexity"),
    "datatrove": ("curate.steps.datatrove", "Datatrove"),
    "quantiles": ("curate.dedup.quantiles", "Quantiles"),
    "site_boilerplate": ("curate.dedup.boilerplate", "SiteBoilerplate"),
    "paragraph_dedup": ("curate.dedup.paragraphs", "ParagraphDedup"),
    "domain_cap": ("curate.dedup.domain_cap", "DomainCap"),
    "exact_dedup": ("curate.dedup.exact", "ExactDedup"),
    "embed": ("curate.select.embed", "Embed"),
    "ifd": ("curate.select.ifd", "Ifd"),
    "judge": ("curate.select.judge", "Judge"),
    "instruct_mining": ("curate.select.instruct_mining", "InstructMining"),
    "deita": ("curate.select.deita", "Deita"),
    "choose": ("curate.select.by_signal", "Choose"),
    "longest_k": ("curate.select.by_signal", "LongestK"),
    "got_d": ("curate.select.got_d", "GotD"),
    "dsir": ("curate.select.dsir", "Dsir"),
    "less": ("curate.select.less", "Less"),
    "knn_target": ("curate.select.knn_target", "KnnTarget"),
    "k_center": ("curate.select.diverse", "KCenter"),
    "facility_location": ("curate.select.diverse", "FacilityLocation"),
    "dpp": ("curate.select.diverse", "Dpp"),
    "d4": ("curate.select.semdedup", "D4"),
    "look": ("curate.select.look", "Look"),
    "clusters": ("curate.select.clusters", "ClusterStep"),
    "semdedup": ("curate.select.semdedup", "SemDedup"),
    "perplexity_correlations": ("curate.select.correlations", "PerplexityCorrelations"),
    "random_k": ("curate.select.by_signal", "RandomK"),
    "minhash": ("curate.dedup.minhash", "MinhashDedup"),
}


def step_class(name: str) -> type[Step]:
    """The class of the step called `name`; KeyError if there is none."""
    module, cls = STEPS[name]
    found: type[Step] = getattr(import_module(module), cls)
    return found
