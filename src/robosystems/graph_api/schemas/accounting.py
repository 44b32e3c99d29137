"""Accounting tables: the ledger of an entity, down to its debits and credits."""

from typing import Final

from robosystems.graph_api.domain.schema import GraphSchema
from robosystems.graph_api.schemas.base import ELEMENT, ENTITY
from robosystems.graph_api.schemas.tables import BOOL, DATE, MONEY, STRING, TIMESTAMP, node, relationship

TRANSACTION: Final = node(
    "Transaction",
    "A business event that is booked, such as an invoice or a payment.",
    "Stable key of the event.",
    ("uri", STRING, "Web address that names the event."),
    ("transaction_number", STRING, "Number that the source system gave it."),
    ("amount", MONEY, "Total in its own currency."),
    ("description", STRING, "What it was for."),
    ("date", DATE, "Day on which it is booked."),
    ("transaction_date", DATE, "Day on which it happened."),
    ("reference_number", STRING, "Number of the underlying document."),
    ("transaction_type", STRING, "Kind of event, in the words of this model."),
    ("type", STRING, "Kind of event, in the words of the source system."),
    ("number", STRING, "Short number for display."),
    ("sync_hash", STRING, "Digest of the source record, which tells whether it has changed."),
    ("currency", STRING, "ISO 4217 code of its amounts."),
    ("plaid_merchant_name", STRING, "Merchant as named by the bank feed."),
    ("plaid_category", STRING, "Category given by the bank feed."),
    ("plaid_pending", BOOL, "Whether the bank feed still reports it as pending."),
    ("updated_at", TIMESTAMP, "When the record was last changed, UTC."),
)

LINE_ITEM: Final = node(
    "LineItem",
    "One debit or credit of a transaction.",
    "Stable key of the line.",
    ("uri", STRING, "Web address that names the line."),
    ("description", STRING, "What the line is for."),
    ("debit_amount", MONEY, "Amount on the debit side, in the transaction's currency."),
    ("credit_amount", MONEY, "Amount on the credit side, in the transaction's currency."),
    ("updated_at", TIMESTAMP, "When the record was last changed, UTC."),
)

PROCESS: Final = node(
    "Process",
    "A recurring piece of accounting work, such as a monthly close.",
    "Stable key of the process.",
    ("name", STRING, "Name for display."),
    ("process_type", STRING, "Kind of work."),
    ("description", STRING, "What the work consists of."),
    ("status", STRING, "How far it is."),
    ("updated_at", TIMESTAMP, "When the record was last changed, UTC."),
)

ACCOUNTING: Final = GraphSchema(
    (TRANSACTION, LINE_ITEM, PROCESS),
    (
        relationship(
            "ENTITY_HAS_TRANSACTION",
            ENTITY,
            TRANSACTION,
            "An event in the books of the entity.",
            ("transaction_context", STRING, "Part of the books that it belongs to."),
        ),
        relationship(
            "TRANSACTION_HAS_LINE_ITEM",
            TRANSACTION,
            LINE_ITEM,
            "A debit or credit of the event.",
            ("line_item_context", STRING, "Role of the line in the event."),
        ),
        relationship(
            "LINE_ITEM_RELATES_TO_ELEMENT",
            LINE_ITEM,
            ELEMENT,
            "The account or concept that the line counts towards.",
            ("mapping_context", STRING, "How the line was assigned."),
        ),
    ),
)
"""3 node tables, 3 relationship tables, on top of the base."""
