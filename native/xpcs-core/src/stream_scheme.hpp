// The delays of a series whose length is not known yet: those of every length (xpcs/delays.hpp) are the first ones of one
// endless list.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace xpcs {

class StreamScheme {
 public:
  StreamScheme(std::uint32_t dpl, std::uint64_t framesMax) : dpl_(dpl), levelsMax_(levels_for(dpl, framesMax)) {}

  [[nodiscard]] std::uint32_t dpl() const noexcept { return dpl_; }
  [[nodiscard]] std::uint32_t lag_max() const noexcept { return 2 * dpl_; }
  [[nodiscard]] std::uint32_t lag_min(std::uint32_t level) const noexcept { return level == 0 ? 1 : dpl_ + 1; }
  [[nodiscard]] std::uint32_t levels_max() const noexcept { return levelsMax_; }
  /// Levels of which `frames` frames can hold a pair, or a frame past their first delay.
  [[nodiscard]] std::uint32_t levels(std::uint64_t frames) const noexcept { return levels_for(dpl_, frames); }
  [[nodiscard]] std::size_t delays(std::uint32_t levels) const noexcept { return std::size_t{levels + 1} * dpl_; }
  [[nodiscard]] std::size_t index(std::uint32_t level, std::uint32_t k) const noexcept {
    return level == 0 ? k - 1 : std::size_t{level} * dpl_ + k - 1;
  }
  /// How many delays are at most t frames.
  [[nodiscard]] std::size_t delays_within(std::uint32_t t) const noexcept {
    const std::uint32_t level = t < dpl_ ? 0 : static_cast<std::uint32_t>(std::bit_width(t / dpl_)) - 1;
    return std::size_t{level} * dpl_ + (t >> level);
  }
  /// Blocks of all resolutions that a pixel's history holds at most: 2 dpl + 1 single frames, dpl + 1 blocks of each level.
  [[nodiscard]] std::size_t history(std::uint32_t levels) const noexcept { return 2 * std::size_t{dpl_} + 1 + std::size_t{levels} * (dpl_ + 1); }

 private:
  static std::uint32_t levels_for(std::uint32_t dpl, std::uint64_t frames) {
    std::uint32_t levels = 1;
    while (((std::uint64_t{dpl} + 1) << levels) < frames) ++levels;
    return levels;
  }

  std::uint32_t dpl_;
  std::uint32_t levelsMax_;
};

}  // namespace xpcs
