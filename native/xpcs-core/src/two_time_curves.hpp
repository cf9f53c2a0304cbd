// The curves along the diagonals of C2, added up band by band in the order of frames.
#pragma once
#include "xpcs/two_time.hpp"

namespace xpcs::twotime {

class Curves {
 public:
  /// @param bins of the selection @param window frames of one row of g2partials
  Curves(std::uint64_t frames, std::size_t bins, std::uint32_t window);
  void add(const C2Band& band, unsigned threads);
  /// Divides the sums by their terms and moves them out.
  void finish(TwoTimeResult& out);

 private:
  void add_lags(const C2Band& band, std::uint64_t from, std::uint64_t to);

  std::uint64_t frames_, bins_, window_, partials_, segment_;
  std::vector<double> full_;      // [B, F]
  std::vector<double> partial_;   // [B, J, window]
  std::vector<double> segments_;  // [B, 5, F / 5]
};

}  // namespace xpcs::twotime
