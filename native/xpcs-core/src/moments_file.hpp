// The group /moments of a result file: what `xpcs merge` adds up. Layout in docs/results.md.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/moments.hpp"

namespace xpcs {

void write_moments(h5::File& file, const Moments& moments);

/// @throws invalid_argument the file has no moments; corrupt_data they contradict each other
Moments read_moments(const h5::File& file);

}  // namespace xpcs
