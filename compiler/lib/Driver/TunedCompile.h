// Compiling at -O3: with choices that were measured (docs/rfcs/0006-autotuning.md).
#pragma once

#include "triton/Driver/CommandLine.h"
#include "triton/Driver/Pipeline.h"
#include "triton/Driver/Timing.h"
#include "triton/Tune/Tune.h"

namespace triton::driver {

/// Generates code for a pipeline that is resolved. `records` may be null. Says on stderr what was not measured, and on a terminal what is being measured.
/// `timing` gets a stage "tune".
Result<tuning::Outcome> compileTuned(const Arguments &arguments, const PipelineOptions &options, Pipeline &pipeline, cache::Store *records, Timing &timing);

} // namespace triton::driver
