"""Base tables of every `entity` and `shared` graph: who reports, for which periods, in which units and concepts."""

from typing import Final

from robosystems.graph_api.domain.schema import GraphSchema
from robosystems.graph_api.schemas.tables import BOOL, DATE, DOUBLE, INT32, STRING, TIMESTAMP, node, relationship

ENTITY: Final = node(
    "Entity",
    "A company, fund, person or other party that owns records or files reports.",
    "Stable key of the party, for example its zero-padded CIK.",
    ("uri", STRING, "Web address that names the party."),
    ("scheme", STRING, "Numbering scheme that the identifier belongs to."),
    ("cik", STRING, "Central Index Key given by the SEC, with leading zeros."),
    ("ticker", STRING, "Trading symbol of its main listing."),
    ("exchange", STRING, "Exchange of its main listing."),
    ("name", STRING, "Name by which it is usually shown."),
    ("legal_name", STRING, "Full registered name."),
    ("industry", STRING, "Line of business in words."),
    ("entity_type", STRING, "Legal form or role, for example corporation or fund."),
    ("sic", STRING, "Standard Industrial Classification code."),
    ("sic_description", STRING, "The SIC code in words."),
    ("category", STRING, "Filer category, for example large accelerated filer."),
    ("state_of_incorporation", STRING, "State or country where it was founded."),
    ("fiscal_year_end", STRING, "Month and day on which its business year ends; no year, hence text."),
    ("ein", STRING, "Employer Identification Number of the US tax authority."),
    ("tax_id", STRING, "Tax number in its own country."),
    ("lei", STRING, "Legal Entity Identifier, 20 characters."),
    ("phone", STRING, "Telephone number as published."),
    ("website", STRING, "Address of its own website."),
    ("status", STRING, "State of the record, for example active or dissolved."),
    ("is_parent", BOOL, "Whether it stands at the top of its group."),
    ("parent_entity_id", STRING, "Identifier of the party directly above it."),
    ("created_at", TIMESTAMP, "When the record was first written, UTC."),
    ("updated_at", TIMESTAMP, "When the record was last changed, UTC."),
)

PERIOD: Final = node(
    "Period",
    "A point in time or a span of time for which values are stated.",
    "Stable key of the period.",
    ("uri", STRING, "Web address that names the period."),
    ("instant_date", DATE, "The day, if the period is a single day."),
    ("start_date", DATE, "First day of a span."),
    ("end_date", DATE, "Last day of a span."),
    ("forever_date", BOOL, "Whether the period has no bounds."),
    ("fiscal_year", INT32, "Business year that the period belongs to."),
    ("fiscal_quarter", STRING, "Business quarter, for example Q3."),
    ("is_annual", BOOL, "Whether it covers a whole business year."),
    ("is_quarterly", BOOL, "Whether it covers one business quarter."),
    ("days_in_period", INT32, "Length in days."),
    ("period_type", STRING, "Kind of period: instant, duration or forever."),
    ("is_ytd", BOOL, "Whether it runs from the start of the business year to date."),
)

UNIT: Final = node(
    "Unit",
    "What a number counts: a currency, shares, or a quotient of units.",
    "Stable key of the unit.",
    ("uri", STRING, "Web address that names the unit."),
    ("measure", STRING, "Qualified name of the measure, for example iso4217:USD."),
    ("value", STRING, "Short form for display, for example USD."),
    ("numerator_uri", STRING, "For quotients, the unit above the line."),
    ("denominator_uri", STRING, "For quotients, the unit below the line."),
)

ELEMENT: Final = node(
    "Element",
    "A concept of a taxonomy or an account of a ledger that values are stated for.",
    "Stable key of the concept.",
    ("uri", STRING, "Web address that names the concept."),
    ("qname", STRING, "Qualified name, prefix and local name."),
    ("name", STRING, "Local name without prefix."),
    ("period_type", STRING, "Whether values hold at an instant or over a duration."),
    ("type", STRING, "Data type that the taxonomy declares."),
    ("balance", STRING, "Side on which it normally stands: debit or credit."),
    ("is_abstract", BOOL, "Whether it only groups others and takes no value."),
    ("is_dimension_item", BOOL, "Whether it is an axis."),
    ("is_domain_member", BOOL, "Whether it is a member on an axis."),
    ("is_hypercube_item", BOOL, "Whether it is a table of axes."),
    ("is_integer", BOOL, "Whether its values are whole numbers."),
    ("is_numeric", BOOL, "Whether its values are numbers."),
    ("is_shares", BOOL, "Whether its values count shares."),
    ("is_fraction", BOOL, "Whether its values are fractions."),
    ("is_textblock", BOOL, "Whether its values are blocks of formatted text."),
    ("substitution_group", STRING, "Group of elements that it can stand in for."),
    ("item_type", STRING, "Base type that its own type derives from."),
    ("classification", STRING, "Class in a chart of accounts, for example asset or revenue."),
)

LABEL: Final = node(
    "Label",
    "A text under which an element or taxonomy is shown to people.",
    "Stable key of the label.",
    ("value", STRING, "The text itself."),
    ("type", STRING, "Role of the text, for example standard, terse or documentation."),
    ("language", STRING, "Language tag, for example en-US."),
)

REFERENCE: Final = node(
    "Reference",
    "A citation of the standard or rule that defines an element or taxonomy.",
    "Stable key of the citation.",
    ("value", STRING, "The cited place, for example a standard and paragraph."),
    ("type", STRING, "Role of the citation."),
)

TAXONOMY: Final = node(
    "Taxonomy",
    "A published set of elements, such as one year's edition of US GAAP.",
    "Stable key of the taxonomy.",
    ("uri", STRING, "Web address that names the taxonomy."),
    ("name", STRING, "Name of the set."),
    ("version", STRING, "Edition, usually a year."),
    ("namespace", STRING, "XML namespace of its elements."),
    ("description", STRING, "What the set is for."),
)

BASE: Final = GraphSchema(
    (ENTITY, PERIOD, UNIT, ELEMENT, LABEL, REFERENCE, TAXONOMY),
    (
        relationship(
            "ENTITY_EVOLVED_FROM",
            ENTITY,
            ENTITY,
            "The start came out of the end, by merger, split or change of name.",
            ("evolution_type", STRING, "What happened, for example merger or spin-off."),
            ("evolution_date", DATE, "Day on which it took effect."),
            ("notes", STRING, "Remarks for readers."),
            ("created_at", TIMESTAMP, "When the link was first written, UTC."),
        ),
        relationship(
            "ENTITY_OWNS_ENTITY",
            ENTITY,
            ENTITY,
            "The start holds a share of the end.",
            ("ownership_type", STRING, "Kind of holding, for example direct or beneficial."),
            ("ownership_percentage", DOUBLE, "Share held, in percent."),
            ("effective_date", DATE, "First day of the holding."),
            ("created_at", TIMESTAMP, "When the link was first written, UTC."),
        ),
        relationship(
            "ELEMENT_HAS_LABEL",
            ELEMENT,
            LABEL,
            "A text under which the element is shown.",
            ("label_context", STRING, "Where this text applies."),
        ),
        relationship(
            "ELEMENT_HAS_REFERENCE",
            ELEMENT,
            REFERENCE,
            "A citation that defines the element.",
            ("reference_context", STRING, "Where this citation applies."),
        ),
        relationship(
            "ELEMENT_IN_TAXONOMY",
            ELEMENT,
            TAXONOMY,
            "The set that the element belongs to.",
            ("taxonomy_context", STRING, "Role of the element in the set."),
        ),
        relationship(
            "TAXONOMY_HAS_LABEL",
            TAXONOMY,
            LABEL,
            "A text under which the taxonomy is shown.",
            ("label_context", STRING, "Where this text applies."),
        ),
        relationship(
            "TAXONOMY_HAS_REFERENCE",
            TAXONOMY,
            REFERENCE,
            "A citation that defines the taxonomy.",
            ("reference_context", STRING, "Where this citation applies."),
        ),
    ),
)
"""7 node tables, 7 relationship tables."""
