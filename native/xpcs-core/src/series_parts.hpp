// The parts of a series between which frames are gone, added up: no pair crosses from one to the next, and each part counts with the number
// of its frames.
#pragma once
#include "xpcs/correlator.hpp"

namespace xpcs {

/// Adds a later part.
/// @param total of the parts so far; empty (no frames): becomes the part
/// @param end behind the last frame of the parts so far, counted in the series @param span frames from the first of the series up to the part's first, gaps included
/// @param rowsMax of the means against time; a frame that is gone adds 0 to its row
/// @throws invalid_argument the sums would overflow
void add_part(CorrelationResult& total, std::uint64_t end, const CorrelationResult& part, std::uint64_t span, std::uint64_t rowsMax);

}  // namespace xpcs
