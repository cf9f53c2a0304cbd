// Which pixels pull g2: how much g2 of a q bin moves without each, and which of them pull so much more than the others that they
// are taken for defects (blemishes). Works from the per-pixel sums of a finished correlation; changes nothing in it.
#pragma once
#include "xpcs/analysis.hpp"

namespace xpcs {

/// A pixel that pulls by less than this many standard errors of g2 is no blemish, however much it differs from the others.
constexpr double kBlemishPull = 0.5;

/// @param result with perPixel curves; pull and change are those of the plain mean over static bins, g2 without blemishes that of `averaging`
/// @return the blemishes, and the strongest pixels of every q bin (docs/leverage.md has the definitions)
/// @throws canceled
Leverage find_leverage(const Partition& partition, const CorrelationResult& result, std::uint32_t average, Averaging averaging, unsigned threads, const Control& control);

}  // namespace xpcs
