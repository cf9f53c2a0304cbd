// The curves along the diagonals of C2, added up band by band in the order of frames.
#pragma once
#include "xpcs/two_time.hpp"

namespace xpcs::twotime {

class Curves {
 public:
  /// @param bins of the selection @param window frames of one row of g2partials
  Curves(std::uint64_t frames, std::size_t bins, std::uint32_t window);
  /// A band is added in so many parts, which different threads may take; bands one after the other.
  [[nodiscard]] std::size_t parts() const noexcept { return (frames_ + kLags - 1) / kLags; }
  void add(const C2Band& band, std::size_t part);
  /// Divides the sums by their terms and moves them out.
  void finish(TwoTimeResult& out);

 private:
  static constexpr std::uint64_t kLags = 2048;
  void add_row(const C2Band& band, std::uint64_t r, std::uint64_t from, std::uint64_t to);

  std::uint64_t frames_, bins_, window_, partials_, segment_;
  std::vector<double> full_;      // [B, F]
  std::vector<double> partial_;   // [B, J, window]
  std::vector<double> segments_;  // [B, 5, F / 5]
};

}  // namespace xpcs::twotime
