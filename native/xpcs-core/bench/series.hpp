#pragma once
// A simulated series: Poisson counts without correlations, the same mean at every pixel, every frame from its own seed.
// Nothing here knows a file format.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace xpcs::bench {

struct SeriesShape {
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint64_t frames;
  /// Photons per pixel and frame.
  double mean;
  std::uint64_t seed;
  [[nodiscard]] std::uint64_t pixels() const { return std::uint64_t{rows} * columns; }
};

/// xoshiro256++ (Blackman and Vigna), seeded through splitmix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  std::uint64_t next();
  /// Uniform in (0, 1].
  double uniform() { return static_cast<double>((next() >> 11) + 1) * 0x1.0p-53; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

/// Photons of one frame by ascending row-major pixel.
struct FrameEvents {
  std::vector<std::uint32_t> pixel;
  std::vector<std::uint16_t> count;
};

class Series {
 public:
  explicit Series(const SeriesShape& shape);
  [[nodiscard]] const SeriesShape& shape() const { return shape_; }
  /// The pixels of frame `frame` that have photons.
  void events(std::uint64_t frame, FrameEvents& out) const;
  /// All pixels of frame `frame`: [pixels].
  void dense(std::uint64_t frame, std::vector<std::uint16_t>& out) const;

 private:
  static constexpr std::size_t kTableBits = 16;
  using Table = std::vector<std::uint16_t>;
  [[nodiscard]] Random frame_random(std::uint64_t frame) const;

  SeriesShape shape_;
  double logEmpty_;
  /// Inverse cumulative distributions in steps of 2^-16: of the count, and of the count where there is one.
  Table anyCount_;
  Table photonCount_;
};

/// The largest count that a series of this mean can hold.
std::uint16_t largest_count(double mean);

[[noreturn]] void fail(const std::string& message);

}  // namespace xpcs::bench
