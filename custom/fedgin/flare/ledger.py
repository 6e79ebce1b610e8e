"""The keeper of a site's ledger: a component of the site's own, in every job's process.

A site's `privacy.json` names it under `components`: FLARE builds these in the job's process after
the job's own components, and refuses a job that has one of the same id. (Components of
`resources.json` are built there too, but hear nothing of the run.)

What leaves is taken from the engine's own calls, after all filters, and from the cell. No event of
FLARE's shows an answer as it is sent: BEFORE_SEND_TASK_RESULT comes without it, and the one after
the filters does not come for errors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import (
    FedEventHeader,
    FilterKey,
    FLContextKey,
    ReservedTopic,
    ReturnCode,
)
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable, make_reply
from nvflare.apis.utils.task_utils import get_filters
from nvflare.app_common.app_constant import AppConstants
from nvflare.private.fed.client.client_engine_executor_spec import ClientEngineExecutorSpec
from nvflare.private.privacy_manager import Scope
from nvflare.widgets.widget import Widget

from fedgin.errors import FedginError
from fedgin.flare.context import local_folder
from fedgin.flare.ledger_values import answer_values, content_bytes
from fedgin.flare.wire import watch_wire
from fedgin.ledger.book import append, ledger_file
from fedgin.ledger.counting import Counter
from fedgin.ledger.find import FOLDER
from fedgin.sites.lookup import load_site

FED_EVENT_TOPIC = "fed.event"
MOST_TASKS = 32
"""Tasks whose round and filters are remembered; an answer may be sent again."""


class LedgerKeeper(Widget):
    """Writes down what leaves the site, before it leaves; what cannot be written down stays.

    In place of an answer that could not be entered the server gets an error code.
    """

    def __init__(self) -> None:
        """Has counted nothing yet."""
        super().__init__()
        self._counter = Counter()
        self._file: Path | None = None
        self._rounds: dict[str, int] = {}
        self._filters: dict[str, tuple[str, ...]] = {}

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Takes its place when a run starts, and notes which filters an answer has passed."""
        if event_type == EventType.ABOUT_TO_START_RUN:
            self._start(fl_ctx)
        elif self._file is None:
            return  # a server that has the same privacy.json, as in the simulator
        elif event_type == EventType.BEFORE_TASK_EXECUTION:
            self._note_round(fl_ctx)
        elif event_type == EventType.AFTER_TASK_RESULT_FILTER:
            self._note_filters(fl_ctx)
        elif event_type in (EventType.AFTER_SEND_TASK_RESULT, EventType.END_RUN):
            self._enter_messages(fl_ctx)

    def _start(self, fl_ctx: FLContext) -> None:
        if not isinstance(fl_ctx.get_engine(), ClientEngineExecutorSpec):
            return
        try:
            self._file = _find_file(fl_ctx)
            self._take_place(fl_ctx)
        except Exception as error:  # FLARE would go on, with a site that keeps no ledger
            self.system_panic(f"the site's ledger cannot be kept ({type(error).__name__})", fl_ctx)
            raise

    def _take_place(self, fl_ctx: FLContext) -> None:
        engine = fl_ctx.get_engine()
        wrap(engine, "send_task_result", self._send_task_result)
        wrap(engine, "dispatch", self._dispatch)
        wrap(engine, "send_aux_request", self._send_aux_request)
        wrap(engine, "multicast_aux_requests", self._multicast)
        wrap(engine, "stream_objects", self._stream)
        watch_wire(engine.get_cell(), self._counter)

    def _send_task_result(
        self, send: Callable[..., bool], result: Shareable, fl_ctx: FLContext, *args: Any, **kw: Any
    ) -> bool:
        return send(self._entered(result, fl_ctx, asked_by="pull"), fl_ctx, *args, **kw)

    def _dispatch(
        self, dispatch: Callable[..., Shareable], topic: str, request: Shareable, fl_ctx: FLContext
    ) -> Shareable:
        reply = dispatch(topic=topic, request=request, fl_ctx=fl_ctx)
        if topic == ReservedTopic.DO_TASK:
            return self._entered(reply, fl_ctx, asked_by="push")
        self._counter.add("replies", topic, content_bytes(reply))
        return reply

    def _send_aux_request(
        self,
        send: Callable[..., Any],
        targets: Any,
        topic: str,
        request: Shareable,
        *args: Any,
        **kw: Any,
    ) -> Any:
        self._count_request(topic, request)
        return send(targets, topic, request, *args, **kw)

    def _multicast(
        self, send: Callable[..., Any], topic: str, target_requests: Any, *args: Any, **kw: Any
    ) -> Any:
        for request in target_requests.values():
            self._count_request(topic, request)
        return send(topic, target_requests, *args, **kw)

    def _stream(
        self, send: Callable[..., Any], channel: str, topic: str, *args: Any, **kw: Any
    ) -> Any:
        self._counter.add("streams", f"{channel}/{topic}", 0)
        return send(channel, topic, *args, **kw)

    def _count_request(self, topic: str, request: Shareable) -> None:
        kind = request.get_header(FedEventHeader.EVENT_TYPE) if topic == FED_EVENT_TOPIC else None
        self._counter.add("auxiliary", f"{topic}:{kind}" if kind else topic, content_bytes(request))

    def _entered(self, result: Shareable, fl_ctx: FLContext, *, asked_by: str) -> Shareable:
        """Enters an answer, and returns it; or an error in its place, where that failed."""
        task = str(result.get_header(ReservedHeaderKey.TASK_ID, ""))
        scope = fl_ctx.get_prop(FLContextKey.SCOPE_OBJECT)
        try:
            self._append(
                fl_ctx,
                {
                    **answer_values(result),
                    "event": "answer",
                    "round": self._rounds.get(task),
                    "scope": scope.name if scope is not None else None,
                    "filters": self._filters.get(task, ()),
                    "asked_by": asked_by,
                },
            )
        except (OSError, FedginError) as error:
            self.log_error(fl_ctx, f"not sent, for want of a ledger: {error}", fire_event=False)
            return _error_instead(result)
        return result

    def _enter_messages(self, fl_ctx: FLContext) -> None:
        counts = self._counter.take()
        if not counts:
            return
        try:
            self._append(fl_ctx, {"event": "messages", "messages": counts})
        except (OSError, FedginError) as error:  # they have left; the answers are held back
            self.log_error(fl_ctx, f"messages not entered: {error}", fire_event=False)

    def _append(self, fl_ctx: FLContext, values: dict[str, Any]) -> None:
        if self._file is None:
            raise OSError("the ledger's file is not known")
        owner = {"site": fl_ctx.get_identity_name(), "job": str(fl_ctx.get_job_id())}
        append(self._file, {**owner, **values})

    def _note_round(self, fl_ctx: FLContext) -> None:
        data = fl_ctx.get_prop(FLContextKey.TASK_DATA)
        number = data.get_header(AppConstants.CURRENT_ROUND) if data is not None else None
        if isinstance(number, int) and not isinstance(number, bool):
            _remember(self._rounds, str(fl_ctx.get_prop(FLContextKey.TASK_ID)), number + 1)

    def _note_filters(self, fl_ctx: FLContext) -> None:
        runner = fl_ctx.get_prop(FLContextKey.RUNNER)
        passed = get_filters(
            Scope.TASK_RESULT_FILTERS_NAME,
            fl_ctx,
            runner.task_result_filters,
            fl_ctx.get_prop(FLContextKey.TASK_NAME),
            FilterKey.OUT,
        )
        names = tuple(type(each).__name__ for each in passed)
        _remember(self._filters, str(fl_ctx.get_prop(FLContextKey.TASK_ID)), names)


def _remember(store: dict[str, Any], task: str, value: Any) -> None:
    store[task] = value
    while len(store) > MOST_TASKS:
        store.pop(next(iter(store)))


def wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Lets `around(method, ...)` stand for an object's method."""
    inner = getattr(owner, name)

    def outer(*args: Any, **kw: Any) -> Any:
        return around(inner, *args, **kw)

    setattr(owner, name, outer)


def _find_file(fl_ctx: FLContext) -> Path:
    """Returns the ledger that the site's file names, or the one in its kit."""
    name = fl_ctx.get_identity_name()
    kit = local_folder(fl_ctx).parent
    try:
        folder = load_site(name, local_folder=local_folder(fl_ctx)).config.ledger.folder
    except FedginError:
        folder = None  # the site does not take part, and its refusals are entered all the same
    return ledger_file(kit / FOLDER if folder is None else Path(folder).expanduser(), name)


def _error_instead(result: Shareable) -> Shareable:
    reply = make_reply(ReturnCode.EXECUTION_EXCEPTION)
    for key in (
        ReservedHeaderKey.TASK_NAME,
        ReservedHeaderKey.TASK_ID,
        ReservedHeaderKey.MSG_ROOT_ID,
    ):
        if (value := result.get_header(key)) is not None:
            reply.set_header(key, value)
    if (cookies := result.get_cookie_jar()) is not None:
        reply.set_cookie_jar(cookies)
    return reply
