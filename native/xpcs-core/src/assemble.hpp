// From the kept photons to the result: correlates the tiles in parallel and adds their sums in rank order.
#pragma once
#include "dense_store.hpp"
#include "event_store.hpp"
#include "tile_collector.hpp"
#include "tile_kernel.hpp"
#include "xpcs/correlator.hpp"

namespace xpcs {

/// Fills everything of `out` but frames, events and frameMean, which it reads.
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<IntegerBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<RealBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<DenseBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out);

/// @throws invalid_argument frames that are divided by a monitor have no value in it
void check_monitor_covers(const std::vector<double>& monitor, std::uint64_t frames);
/// Zeros for what the tiles write pixel by pixel, at the delays of `out`.
void make_pixel_room(CorrelationResult& out, std::size_t pixels, bool perPixel);

/// The end of it alone: from the sums of all tiles, correlated elsewhere, at the delays of `out`. Sum: Int128, or double.
template <class Sum>
void assemble_sums(const TileTask& task, const BinSums<Sum>& sums, Averaging averaging, CorrelationResult& out);

}  // namespace xpcs
