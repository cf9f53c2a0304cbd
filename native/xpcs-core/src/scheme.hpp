// The delays as the kernels use them: by level, with the reach of a pair.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "xpcs/delays.hpp"

namespace xpcs {

struct Scheme {
  std::vector<Delay> delays;
  std::uint64_t frames = 0;
  std::uint32_t dpl = 0;
  std::uint32_t levels = 0;             ///< levels that hold a delay
  std::vector<std::uint64_t> levelEnd;  ///< frames covered by whole blocks of each level
  std::vector<double> terms;            ///< of each delay, as numbers
  std::uint64_t reach = 0;              ///< photons further apart than this are never paired

  Scheme(std::uint64_t seriesFrames, std::uint32_t delaysPerLevel)
      : delays(multitau_delays(seriesFrames, delaysPerLevel)), frames(seriesFrames), dpl(delaysPerLevel) {
    levels = delays.empty() ? 0 : delays.back().level + 1;
    for (std::uint32_t level = 0; level < levels; ++level) levelEnd.push_back(frames >> level << level);
    for (const Delay& delay : delays) terms.push_back(static_cast<double>(delay.terms));
    if (levels > 0) reach = (std::uint64_t{2} * dpl + 1) << (levels - 1);
  }

  [[nodiscard]] std::size_t blocks(std::uint32_t level) const noexcept { return static_cast<std::size_t>(frames >> level); }
  [[nodiscard]] std::size_t lag_max() const noexcept { return std::size_t{2} * dpl; }

  /// Index of the first delay of a level, whether or not it exists.
  [[nodiscard]] std::size_t first_delay(std::uint32_t level) const noexcept { return level == 0 ? 0 : std::size_t{level + 1} * dpl; }
  [[nodiscard]] std::size_t delays_at(std::uint32_t level) const noexcept {
    const std::size_t full = level == 0 ? std::size_t{2} * dpl : dpl;
    const std::size_t first = first_delay(level);
    return first >= delays.size() ? 0 : (delays.size() - first < full ? delays.size() - first : full);
  }

  /// Index of lag k at a level, or delays.size() or more where the scheme has no such delay.
  [[nodiscard]] std::size_t index(std::uint32_t level, std::uint64_t k) const noexcept {
    return first_delay(level) + static_cast<std::size_t>(level == 0 ? k - 1 : k - dpl - 1);
  }
};

/// The delays of all series are the first ones of one endless list: how many of it are at most t frames.
inline std::size_t delays_within(std::uint64_t t, std::uint32_t dpl) noexcept {
  const std::uint32_t level = t < dpl ? 0 : static_cast<std::uint32_t>(std::bit_width(t / dpl)) - 1;
  return std::size_t{level} * dpl + static_cast<std::size_t>(t >> level);
}
/// The delay at an index of the endless list, in frames.
inline std::uint64_t delay_at(std::size_t index, std::uint32_t dpl) noexcept {
  const std::size_t level = index < std::size_t{2} * dpl ? 0 : index / dpl - 1;
  return std::uint64_t{level == 0 ? index + 1 : dpl + 1 + index % dpl} << level;
}

/// For every frame, the first delay whose IP and the first whose IF it no longer belongs to. IP's end falls and IF's start
/// rises from delay to delay, so a frame belongs to a run of delays from the first on.
class EdgeTable {
 public:
  explicit EdgeTable(const Scheme& scheme) : delays_(scheme.delays.size()), leaves_(scheme.frames) {
    std::size_t past = delays_;
    std::size_t future = delays_;
    std::size_t starts = 0;
    for (std::uint64_t frame = 0; frame < scheme.frames; ++frame) {
      while (past > 0 && scheme.delays[past - 1].pastEnd <= frame) --past;
      while (future > 0 && scheme.delays[future - 1].futureEnd <= frame) --future;
      while (starts < delays_ && scheme.delays[starts].frames <= frame) ++starts;
      leaves_[frame] = {static_cast<std::uint16_t>(past), static_cast<std::uint16_t>(std::min(future, starts))};
    }
  }

  /// Sums of the values over the frames that IP and IF of each delay cover.
  /// @param past, future [D + 1]; the last element is scratch
  template <class Value, class Sum>
  void sums(std::span<const std::uint32_t> t, std::span<const Value> v, Sum* past, Sum* future) const {
    std::fill(past, past + delays_ + 1, Sum{0});
    std::fill(future, future + delays_ + 1, Sum{0});
    for (std::size_t i = 0; i < t.size(); ++i) {
      const Leaves at = leaves_[t[i]];
      past[at.past] += static_cast<Sum>(v[i]);
      future[at.future] += static_cast<Sum>(v[i]);
    }
    // A frame that leaves at delay d belongs to all delays before d.
    Sum pastSum = past[delays_];
    Sum futureSum = future[delays_];
    for (std::size_t d = delays_; d-- > 0;) {
      const Sum pastHere = past[d];
      const Sum futureHere = future[d];
      past[d] = pastSum;
      future[d] = futureSum;
      pastSum += pastHere;
      futureSum += futureHere;
    }
  }

 private:
  struct Leaves {
    std::uint16_t past, future;
  };
  std::size_t delays_;
  std::vector<Leaves> leaves_;
};

}  // namespace xpcs
