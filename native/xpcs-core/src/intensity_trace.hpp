// Counts against time of a stream of any length in a bounded number of rows: one frame a row, and 2, 4, 8, ... when there are more.
#pragma once
#include <cstdint>
#include <vector>

namespace xpcs {

class IntensityTrace {
 public:
  explicit IntensityTrace(std::uint64_t rowsMax) : rowsMax_(rowsMax) {}

  /// A frame's counts add up in the order of the calls, and when a later one comes go to those of its row.
  /// @param frame not before that of an earlier call
  void add(std::uint64_t frame, double count) {
    if (frame != newest_) {
      settle();
      newest_ = frame;
      reach(frame + 1);
    }
    newestSum_ += count;
  }
  /// The stream has at least so many frames.
  void reach(std::uint64_t frames) {
    while ((frames + frames_per_row() - 1) >> shift_ > rowsMax_) {
      for (std::size_t i = 0; i < sums_.size(); ++i) {
        const double sum = sums_[i];
        if (i > 0) sums_[i] = 0;
        sums_[i / 2] += i > 0 ? sum : 0;
      }
      sums_.resize((sums_.size() + 1) / 2);
      ++shift_;
    }
  }
  /// The newest frame, if it is this one, is not one of the stream.
  void drop(std::uint64_t frame) {
    if (frame == newest_) newestSum_ = 0;
  }
  /// Counts per frame times `scale`, the last row over the frames that it has. [frames / frames per row, rounded up]
  [[nodiscard]] std::vector<double> means(std::uint64_t frames, double scale) const {
    std::vector<double> out(static_cast<std::size_t>((frames + frames_per_row() - 1) >> shift_), 0.0);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double sum = (i < sums_.size() ? sums_[i] : 0.0) + (i == newest_ >> shift_ ? newestSum_ : 0.0);
      const std::uint64_t left = frames - (static_cast<std::uint64_t>(i) << shift_);
      const auto length = static_cast<double>(left < frames_per_row() ? left : frames_per_row());
      out[i] = sum * scale / length;
    }
    return out;
  }
  [[nodiscard]] std::uint64_t frames_per_row() const noexcept { return std::uint64_t{1} << shift_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return sums_.capacity() * sizeof sums_[0]; }

 private:
  void settle() {
    const auto row = static_cast<std::size_t>(newest_ >> shift_);
    if (row >= sums_.size()) sums_.resize(row + 1, 0.0);
    sums_[row] += newestSum_;
    newestSum_ = 0;
  }

  std::uint64_t rowsMax_;
  std::uint32_t shift_ = 0;
  std::vector<double> sums_;
  std::uint64_t newest_ = 0;
  double newestSum_ = 0;
};

}  // namespace xpcs
