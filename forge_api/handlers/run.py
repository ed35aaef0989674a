"""Run: one request between its submission and its end, with the clock running.

Knows nothing of what its reply looks like, nor of whether it is written whole or as a stream.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from forge_api.completion import ChoiceDelta, Generation
from forge_api.metrics import RequestSizes
from forge_api.middleware.arrival import ARRIVED_AT
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_api.request_timer import RequestTimer
from forge_api.services import SERVICES
from forge_api.timings import Moments, Timings, timings_of
from forge_api.tracing.spans import Generated
from forge_api.tracing.trace import TRACE
from forge_api.valid_request import ValidRequest
from forge_common.protocol.api_scheduler import SequenceOutput, SequenceTimes


class Run:
    """One request on its way: outputs in, deltas out, with the clock running."""

    def __init__(self, http: web.Request, request: ValidRequest, request_id: str) -> None:
        services = http.app[SERVICES]
        self._model_name = services.model.name
        self._request_id = request_id
        self._trace = http.get(TRACE)
        is_traced = self._trace is not None and self._trace.span.is_recording
        self._is_timed = request.returns_timings or is_traced
        self.generation = Generation(
            request, request_id, services.model.tokenizer, is_timed=self._is_timed
        )
        self._request = request
        self._engine = services.engine
        self._metrics = services.metrics
        self._timer = RequestTimer(services.metrics, http[ARRIVED_AT])
        self._engine_times: dict[ChoiceKey, SequenceTimes] = {}
        self.outcome = "abort"  # of the choices that do not end by themselves

    @property
    def num_prompt_tokens(self) -> int:
        return self._request.num_prompt_tokens

    async def deltas(
        self, stream: OutputStream, outputs: Sequence[SequenceOutput]
    ) -> list[ChoiceDelta]:
        """Ends in the scheduler the choices that the text ended here."""
        if self._is_timed:
            self._note_times(outputs)
        deltas = self.generation.push(outputs)
        self._timer.take(deltas, outputs[0].queue_s)
        for delta in deltas:
            if delta.is_ended_by_text:
                await self._engine.abort_choice(stream, delta.key)
        return deltas

    @property
    def moments(self) -> Moments:
        keys = self.generation.choice_keys
        engine = {keys.index(key): times for key, times in self._engine_times.items()}
        return self._timer.moments(self._request.laps, engine)

    @property
    def timings(self) -> Timings | None:
        """For the client that asked for them."""
        if not self._request.returns_timings:
            return None
        num_cached_tokens = self.generation.usage.prompt_tokens_details.cached_tokens
        return timings_of(self.moments, num_cached_tokens)

    @property
    def generated(self) -> Generated:
        """So far, for a trace."""
        sampling, usage = self._request.prompts[0].sampling, self.generation.usage
        return Generated(
            model=self._model_name,
            reply_id=self._request_id,
            num_choices=self._request.num_choices,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            is_streamed=self._request.streaming is not None,
            num_prompt_tokens=usage.prompt_tokens,
            num_cached_tokens=usage.prompt_tokens_details.cached_tokens,
            num_output_tokens=usage.completion_tokens,
            finish_reasons=[
                choice.finish_reason or self.outcome for choice in self.generation.choices
            ],
            moments=self.moments,
        )

    def finish(self) -> None:
        """However it ended."""
        self._timer.finish()
        self._metrics.measured(sizes_of(self._request, self.generation))
        if self._trace is not None:
            self._trace.generated = self.generated
        for choice in self.generation.choices:
            if not choice.is_finished:
                self._metrics.finished(self.outcome)

    def _note_times(self, outputs: Sequence[SequenceOutput]) -> None:
        for output in outputs:
            if output.times is not None:
                key = ChoiceKey(output.request_id, output.choice_index)
                self._engine_times[key] = output.times


def sizes_of(request: ValidRequest, generation: Generation) -> RequestSizes:
    usage = generation.usage
    return RequestSizes(
        num_prompt_tokens=usage.prompt_tokens,
        num_prefill_tokens=usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
        num_output_tokens=usage.completion_tokens,
        max_output_tokens=max(choice.num_tokens for choice in generation.choices),
        num_choices=request.num_choices,
        max_tokens=max(prompt.sampling.max_tokens for prompt in request.prompts),
    )
