"""Reporting tables: filed reports, their facts, and the structures in which facts are presented."""

from typing import Final

from robosystems.graph_api.domain.schema import GraphSchema
from robosystems.graph_api.schemas.base import ELEMENT, ENTITY, PERIOD, TAXONOMY, UNIT
from robosystems.graph_api.schemas.tables import BOOL, DATE, DOUBLE, STRING, TIMESTAMP, node, relationship

REPORT: Final = node(
    "Report",
    "A document that an entity has filed, such as an annual report.",
    "Stable key of the report.",
    ("uri", STRING, "Web address of the document."),
    ("name", STRING, "Title for display."),
    ("accession_number", STRING, "Number under which the regulator filed it."),
    ("form", STRING, "Form type, for example 10-K."),
    ("filing_date", DATE, "Day on which it was filed."),
    ("report_date", DATE, "Day to which the report refers."),
    ("acceptance_date", TIMESTAMP, "When the regulator accepted it."),
    ("period_end_date", DATE, "Last day of the reported period."),
    ("is_inline_xbrl", BOOL, "Whether facts are tagged inside the readable document."),
    ("xbrl_processor_version", STRING, "Version of the program that extracted the facts."),
    ("processed", BOOL, "Whether extraction has finished."),
    ("failed", BOOL, "Whether extraction has failed."),
    ("updated_at", TIMESTAMP, "When the record was last changed, UTC."),
)

FACT: Final = node(
    "Fact",
    "One stated value: a number or a text for an element, an entity and a period.",
    "Stable key of the fact.",
    ("uri", STRING, "Web address that names the fact."),
    ("value", STRING, "The value exactly as stated."),
    ("numeric_value", DOUBLE, "The value as a number of any unit, if it is one; `value` is the exact text."),
    ("fact_type", STRING, "Whether it is numeric or not."),
    ("decimals", STRING, "Stated accuracy: digits after the point, or INF; negative for thousands or millions."),
    ("value_type", STRING, "Where the value is kept: here or elsewhere."),
    ("content_type", STRING, "Media type of a long text."),
)

STRUCTURE: Final = node(
    "Structure",
    "A section of a report or taxonomy that arranges elements, such as the balance sheet.",
    "Stable key of the structure.",
    ("uri", STRING, "Web address that names the structure."),
    ("network_uri", STRING, "Role address that its arcs share."),
    ("definition", STRING, "Full definition text of the role."),
    ("number", STRING, "Sort number inside the definition."),
    ("type", STRING, "Kind of section, for example Statement or Disclosure."),
    ("name", STRING, "Title inside the definition."),
)

FACT_DIMENSION: Final = node(
    "FactDimension",
    "A qualification of a fact, such as one segment or one region.",
    "Stable key of the qualification.",
    ("axis_uri", STRING, "Web address of the axis."),
    ("member_uri", STRING, "Web address of the member on that axis."),
    ("type", STRING, "Kind of qualification."),
    ("is_explicit", BOOL, "Whether the member comes from a taxonomy."),
    ("is_typed", BOOL, "Whether the member is a free value."),
)

ASSOCIATION: Final = node(
    "Association",
    "An arc of a structure: it puts one element below or beside another.",
    "Stable key of the arc.",
    ("arcrole", STRING, "Role address of the arc."),
    ("order_value", DOUBLE, "Place among the arcs of the same parent."),
    ("association_type", STRING, "Kind of arc, for example presentation or calculation."),
    ("weight", DOUBLE, "Factor with which a child counts in its parent's sum."),
    ("root", STRING, "Top element of the tree that the arc is part of."),
    ("preferred_label", STRING, "Role of the label to show here."),
)

FACT_SET: Final = node("FactSet", "A group of facts that belong together.", "Stable key of the group.")

_REPORTS: Final = (
    relationship(
        "ENTITY_HAS_REPORT",
        ENTITY,
        REPORT,
        "A report that the entity has filed.",
        ("filing_context", STRING, "Circumstances of the filing."),
    ),
    relationship(
        "REPORT_HAS_FACT",
        REPORT,
        FACT,
        "A fact that the report states.",
        ("fact_context", STRING, "Context under which the report states it."),
    ),
    relationship(
        "REPORT_HAS_FACT_SET",
        REPORT,
        FACT_SET,
        "A group of facts in the report.",
        ("fact_set_context", STRING, "What the group stands for in the report."),
    ),
    relationship(
        "REPORT_USES_TAXONOMY",
        REPORT,
        TAXONOMY,
        "A taxonomy that the report draws on.",
        ("taxonomy_context", STRING, "Role of the taxonomy in the report."),
    ),
)

_FACTS: Final = (
    relationship("FACT_HAS_ELEMENT", FACT, ELEMENT, "What the fact is about."),
    relationship(
        "FACT_HAS_ENTITY",
        FACT,
        ENTITY,
        "Whom the fact is about.",
        ("entity_context", STRING, "Context that names the entity."),
    ),
    relationship(
        "FACT_HAS_PERIOD",
        FACT,
        PERIOD,
        "When the fact holds.",
        ("period_context", STRING, "Context that names the period."),
    ),
    relationship(
        "FACT_HAS_UNIT",
        FACT,
        UNIT,
        "What the fact's number counts.",
        ("unit_context", STRING, "Context that names the unit."),
    ),
    relationship("FACT_HAS_DIMENSION", FACT, FACT_DIMENSION, "A qualification of the fact."),
    relationship("FACT_DIMENSION_AXIS_ELEMENT", FACT_DIMENSION, ELEMENT, "The axis of the qualification."),
    relationship("FACT_DIMENSION_MEMBER_ELEMENT", FACT_DIMENSION, ELEMENT, "The member of the qualification."),
    relationship("FACT_SET_CONTAINS_FACT", FACT_SET, FACT, "A fact of the group."),
)

_STRUCTURES: Final = (
    relationship(
        "STRUCTURE_HAS_TAXONOMY",
        STRUCTURE,
        TAXONOMY,
        "The taxonomy that the structure belongs to.",
        ("taxonomy_context", STRING, "Role of the structure in the taxonomy."),
    ),
    relationship(
        "STRUCTURE_HAS_ASSOCIATION",
        STRUCTURE,
        ASSOCIATION,
        "An arc of the structure.",
        ("association_context", STRING, "Role of the arc in the structure."),
    ),
    relationship("ASSOCIATION_HAS_FROM_ELEMENT", ASSOCIATION, ELEMENT, "The element at which the arc starts."),
    relationship("ASSOCIATION_HAS_TO_ELEMENT", ASSOCIATION, ELEMENT, "The element at which the arc ends."),
)

REPORTING: Final = GraphSchema(
    (REPORT, FACT, STRUCTURE, FACT_DIMENSION, ASSOCIATION, FACT_SET), (*_REPORTS, *_FACTS, *_STRUCTURES)
)
"""6 node tables, 16 relationship tables, on top of the base."""
