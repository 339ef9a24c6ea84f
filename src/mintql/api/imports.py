"""Importing files: sending one, correcting how it is read, taking it in, taking it back."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from mintql.api.context import Context, Info
from mintql.api.errors import InvalidInputError, NotFoundError, NotSignedInError
from mintql.api.imports_inputs import (
    ImportOptionsInput,
    ImportStatementInput,
    Upload,
    corrections_said,
    naming_fields,
    options_said,
)
from mintql.api.imports_types import (
    FileUnreadableError,
    Import,
    ImportPreview,
    import_node,
    load_imports,
    preview_node,
)
from mintql.api.nodes import decode_id
from mintql.api.paging import (
    AfterArgument,
    Connection,
    FirstArgument,
    PageRequest,
    build_connection,
    check_size,
    decode_number,
    encode_number,
)
from mintql.api.sync import SyncRun, load_runs
from mintql.domain.errors import NotFound
from mintql.domain.ids import AccountId, ImportId
from mintql.services import imports as service
from mintql.services import imports_ending as ending
from mintql.services.imports import ImportPlace
from mintql.store import imports as store

CURSOR_KIND = "import"
NEWEST = ImportId(2**63 - 1)


@strawberry.type(description="The file is being taken in.")
class ImportRunSuccess:
    """What confirming gives when it worked."""

    import_: Import = strawberry.field(name="import", description="The import as it is now.")
    run: SyncRun = strawberry.field(description="The run that brings it in; `syncProgress` follows it.")


@strawberry.type(description="The file is gone, and nothing of it was taken in.")
class DiscardImportSuccess:
    """What discarding gives when it worked."""

    import_: Import = strawberry.field(name="import", description="The import as it is now.")


@strawberry.type(description="What the import added was taken back.")
class UndoImportSuccess:
    """What undoing gives when it worked."""

    import_: Import = strawberry.field(name="import", description="The import as it is now.")
    rows_removed: int = strawberry.field(description="How many transactions count no more.")


ImportTransactionsPayload: TypeAlias = Annotated[
    ImportPreview | FileUnreadableError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ImportTransactionsPayload", description="What became of `importTransactions`."),
]
CorrectImportPayload: TypeAlias = Annotated[
    ImportPreview | FileUnreadableError | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("CorrectImportPayload", description="What became of `correctImport`."),
]
ConfirmImportPayload: TypeAlias = Annotated[
    ImportRunSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("ConfirmImportPayload", description="What became of `confirmImport`."),
]
DiscardImportPayload: TypeAlias = Annotated[
    DiscardImportSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("DiscardImportPayload", description="What became of `discardImport`."),
]
UndoImportPayload: TypeAlias = Annotated[
    UndoImportSuccess | InvalidInputError | NotFoundError | NotSignedInError,
    strawberry.union("UndoImportPayload", description="What became of `undoImport`."),
]

ImportArgument = Annotated[strawberry.ID, strawberry.argument(description="The import.")]
OptionsArgument = Annotated[
    ImportOptionsInput | None,
    strawberry.argument(description="How the file is to be read, where that is not as found."),
]


@strawberry.type
class ImportsQuery:
    """Reads of imports."""

    @strawberry.field(description="Files the viewer sent, newest first.")
    async def imports(self, info: Info, first: FirstArgument = None, after: AfterArgument = None) -> Connection[Import]:
        position = None if after is None else ImportId(decode_number(CURSOR_KIND, after))
        request: PageRequest[ImportId] = PageRequest(check_size(first, "first"), after=position)
        async with info.context.person() as conn:
            rows = await store.before(conn, info.context.user_id, position or NEWEST, request.limit)
        return build_connection(rows, request, import_node, lambda row: encode_number(CURSOR_KIND, row.import_id))


@strawberry.type
class ImportsMutation:
    """Changes of imports."""

    @strawberry.mutation(
        description="Sends a file: OFX, QFX, QIF, CSV, CAMT, MT940 or an export of a budget program. It is kept and "
        "read, and the answer shows what it would bring; nothing is taken in before it is confirmed."
    )
    async def import_transactions(
        self,
        info: Info,
        file: Annotated[Upload, strawberry.argument(description="The file, as a part of a form.")],
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The account it is of; found out, or a new one, where it is left out."),
        ] = None,
        options: OptionsArgument = None,
        confirm: Annotated[
            bool,
            strawberry.argument(
                description="Whether to take it in at once, if nothing is unsure and every row can be read. Otherwise "
                "it waits as without this."
            ),
        ] = False,
    ) -> ImportTransactionsPayload:
        context = info.context
        user_id = context.user_id
        into = None if account_id is None else AccountId(decode_id("Account", account_id, field="accountId"))
        place = _place(context)
        with naming_fields():
            previewed, effects = await service.import_file(
                place, user_id, file.name, file.content, options_said(options), into, context.now()
            )
        await context.runtime.perform(effects)
        shown = preview_node(previewed)
        if confirm and service.is_sure(previewed):
            _, effects = await service.confirm(place, user_id, previewed.row.import_id, context.now())
            await context.runtime.perform(effects)
            shown.import_ = await _import(context, previewed.row.import_id)
        return shown

    @strawberry.mutation(
        description="Corrects how a file that waits is read and where its statements go. Options that are left out "
        "stay; so do statements that are not named. The answer shows what it would bring now."
    )
    async def correct_import(
        self,
        info: Info,
        id: ImportArgument,
        options: OptionsArgument = None,
        statements: Annotated[
            list[ImportStatementInput] | None,
            strawberry.argument(description="Where statements are to go, of those that are to go elsewhere."),
        ] = None,
    ) -> CorrectImportPayload:
        context = info.context
        with naming_fields():
            previewed, effects = await service.correct(
                _place(context),
                context.user_id,
                ImportId(decode_id("Import", id)),
                options_said(options),
                corrections_said(statements or []),
            )
        await context.runtime.perform(effects)
        return preview_node(previewed)

    @strawberry.mutation(
        description="Takes a file in as its preview says, and remembers that for the next file of its sort. Asked "
        "again, it gives the same run; one that failed begins anew."
    )
    async def confirm_import(self, info: Info, id: ImportArgument) -> ConfirmImportPayload:
        context = info.context
        import_id = ImportId(decode_id("Import", id))
        run_id, effects = await service.confirm(_place(context), context.user_id, import_id, context.now())
        await context.runtime.perform(effects)
        run = (await load_runs(context, [run_id]))[0]
        if run is None:
            raise NotFound("The import was removed at the same moment.", field="id")
        return ImportRunSuccess(import_=await _import(context, import_id), run=run)

    @strawberry.mutation(description="Forgets a file that waits. Nothing of it is kept.")
    async def discard_import(self, info: Info, id: ImportArgument) -> DiscardImportPayload:
        context = info.context
        async with context.person() as conn:
            row, effects = await ending.discard(conn, context.user_id, ImportId(decode_id("Import", id)), context.now())
        await context.runtime.perform(effects)
        return DiscardImportSuccess(import_=import_node(row))

    @strawberry.mutation(
        description="Takes back all transactions that an import added. Ones that gave way to them count again; sums "
        "and budgets follow. The file can be imported again."
    )
    async def undo_import(self, info: Info, id: ImportArgument) -> UndoImportPayload:
        context = info.context
        await context.bring_back()
        async with context.person() as conn:
            row, removed, effects = await ending.undo(
                conn, context.user_id, ImportId(decode_id("Import", id)), context.now()
            )
        await context.runtime.perform(effects)
        return UndoImportSuccess(import_=import_node(row), rows_removed=removed)


def _place(context: Context) -> ImportPlace:
    return ImportPlace(context.person, context.runtime.objects, context.preparing)


async def _import(context: Context, import_id: ImportId) -> Import:
    found = (await load_imports(context, [import_id]))[0]
    if found is None:
        raise NotFound("The import was removed at the same moment.", field="id")
    return found
