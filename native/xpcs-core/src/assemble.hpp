// From the kept photons to the result: correlates the tiles in parallel and adds their sums in rank order.
#pragma once
#include "dense_store.hpp"
#include "event_store.hpp"
#include "xpcs/correlator.hpp"

namespace xpcs {

/// Fills everything of `out` but frames, events and frameMean, which it reads.
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<IntegerBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<RealBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<DenseBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);

}  // namespace xpcs
