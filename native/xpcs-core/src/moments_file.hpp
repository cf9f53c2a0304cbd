// The moments in a result file: what `xpcs merge` adds up. The group is /moments, in the exchange layout `moments` inside
// the group of the results. Layout in docs/results.md.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/moments.hpp"

namespace xpcs {

/// @param group absolute, without a slash at its end
void write_moments(h5::File& file, const std::string& group, const Moments& moments);

/// @throws not_found the file has no moments; corrupt_data they contradict each other
Moments read_moments(const h5::File& file, const std::string& group);

}  // namespace xpcs
