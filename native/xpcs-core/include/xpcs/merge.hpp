// Repeats of one measurement added up: their moments, never their frames. No pair of photons crosses from one repeat to the
// next.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xpcs/moments.hpp"

namespace xpcs {

struct MergeRequest {
  std::vector<std::string> inputs;  ///< results of this program in one layout, of one q-map, length and delay scheme
  std::string out;
  bool overwrite = false;
  Pooling pooling = Pooling::per_repeat;
  std::optional<Averaging> averaging;  ///< of the static bins; default: that of the inputs, which must then agree
  std::map<std::string, std::string> provenance;
  /// Written to /repeats: numbers [rows, values / rows] and texts [rows] about the repeats, merged and rejected ones.
  std::size_t rows = 0;
  std::map<std::string, std::vector<double>> numbers;
  std::map<std::string, std::vector<std::string>> texts;
};

struct MergeSummary {
  std::uint64_t repeats = 0;
  std::size_t delays = 0;
  std::uint32_t dynamicBins = 0;
  bool twoTimeLeftOut = false;  ///< inputs hold two-time results, which are not merged
};

/// @throws invalid_argument fewer than two inputs, no moments (what to do), results that do not belong together (which, and
/// in what they differ)
MergeSummary merge_results(const MergeRequest& request);

}  // namespace xpcs
