/**
 * OpenTelemetry: spans of hooks, passes, merges and calls, sent by OTLP over HTTP to OTEL_EXPORTER_OTLP_ENDPOINT. Nothing
 * of it is loaded where that is not set. The exporter reads the other OTEL_ variables itself.
 */
import type { Environment } from './config.ts';
import { recordSpans, spanIdOf, traceIdOf, type Traceparent } from './trace.ts';

export interface Telemetry {
  /** Sends what is left. */
  stop(): Promise<void>;
}

const flagsOf = (trace: Traceparent): number => Number.parseInt(trace.slice(53, 55), 16);

export const startTelemetry = async (environment: Environment): Promise<Telemetry | undefined> => {
  if (!environment['OTEL_EXPORTER_OTLP_ENDPOINT']) return undefined;
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': environment['OTEL_SERVICE_NAME'] || 'crosswalk' }),
    // Its queue is bounded: a collector that is away costs spans, and neither memory nor work.
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const tracer = provider.getTracer('crosswalk');
  recordSpans((name, parent, attributes) => {
    const remote = parent && {
      traceId: traceIdOf(parent),
      spanId: spanIdOf(parent),
      traceFlags: flagsOf(parent),
      isRemote: true,
    };
    const context = remote ? api.trace.setSpanContext(api.ROOT_CONTEXT, remote) : api.ROOT_CONTEXT;
    const kind =
      name === 'hook' ? api.SpanKind.SERVER : name === 'call' ? api.SpanKind.CLIENT : api.SpanKind.INTERNAL;
    const span = tracer.startSpan(name, { kind, attributes: { ...attributes } }, context);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      trace: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
      end: (trouble) => {
        if (trouble !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: trouble });
        span.end();
      },
    };
  });
  return {
    stop: async () => {
      recordSpans(undefined);
      // A collector that is away must not hold the process up.
      await provider.shutdown().catch(() => undefined);
    },
  };
};
