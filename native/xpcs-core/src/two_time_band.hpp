// Where the rows of one band of C2 are written: the square chunks of the file, so that nothing is copied between computing and
// writing.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "xpcs/two_time.hpp"

namespace xpcs::twotime {

class BandRoom {
 public:
  BandRoom(std::uint64_t frames, std::uint64_t chunk) : frames_(frames), chunk_(std::min(chunk, frames)) {}

  /// Makes it the band of bin number `bin` that begins with `firstRow`. Rows beyond the matrix are 0, the others as they were.
  void start(std::size_t bin, std::uint64_t firstRow) {
    bin_ = bin;
    first_ = firstRow;
    rows_ = std::min(chunk_, frames_ - firstRow);
    values_.resize(band().chunks() * chunk_ * chunk_);
    if (rows_ < chunk_) std::fill(values_.begin(), values_.end(), 0.0F);
  }

  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] C2Band band() const { return {bin_, first_, rows_, frames_, chunk_, values_}; }

  /// The row's values that nobody computes: left of the diagonal, and right of the matrix.
  void clear_outside(std::uint64_t t) {
    for_pieces(t, first_, t, [](float* out, std::uint64_t, std::uint64_t n) { std::fill_n(out, n, 0.0F); });
    const std::uint64_t end = first_ + (frames_ - first_ + chunk_ - 1) / chunk_ * chunk_;
    for_pieces(t, frames_, end, [](float* out, std::uint64_t, std::uint64_t n) { std::fill_n(out, n, 0.0F); });
  }

  /// Several threads may write at once, each its own rows. Calls take(out, column, n) for the pieces of columns [from, end) of row t that lie together.
  template <class Take>
  void for_pieces(std::uint64_t t, std::uint64_t from, std::uint64_t end, Take take) {
    while (from < end) {
      const std::uint64_t n = std::min(end - from, chunk_ - (from - first_) % chunk_);
      const std::uint64_t column = from - first_;
      take(values_.data() + (column / chunk_ * chunk_ + (t - first_)) * chunk_ + column % chunk_, from, n);
      from += n;
    }
  }

 private:
  std::uint64_t frames_, chunk_;
  std::size_t bin_ = 0;
  std::uint64_t first_ = 0, rows_ = 0;
  std::vector<float> values_;
};

}  // namespace xpcs::twotime
