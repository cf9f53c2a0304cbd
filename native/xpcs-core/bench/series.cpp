#include "series.hpp"

#include <cmath>
#include <stdexcept>

namespace xpcs::bench {
namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/// Entry j is the smallest n >= first with P(count <= n | count >= first) > (j + 1/2) / size.
std::vector<std::uint16_t> inverse_poisson(double mean, std::uint16_t first, std::size_t size) {
  std::vector<std::uint16_t> table(size);
  const double below = first == 0 ? 0 : std::exp(-mean);
  double probability = first == 0 ? std::exp(-mean) : mean * std::exp(-mean);
  double cumulative = probability;
  std::uint16_t n = first;
  for (std::size_t j = 0; j < size; ++j) {
    const double level = (static_cast<double>(j) + 0.5) / static_cast<double>(size) * (1 - below);
    while (cumulative <= level && n < 2000) {
      ++n;
      probability *= mean / n;
      cumulative += probability;
    }
    table[j] = n;
  }
  return table;
}

}  // namespace

void fail(const std::string& message) { throw std::runtime_error(message); }

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) word = splitmix(seed);
}

std::uint64_t Random::next() {
  const std::uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate(state_[3], 45);
  return result;
}

Series::Series(const SeriesShape& shape) : shape_(shape), logEmpty_(-shape.mean) {
  if (shape.pixels() == 0 || shape.frames == 0) fail("a series needs rows, columns and frames");
  if (!(shape.mean > 0 && shape.mean <= 100)) fail("--mean must be above 0 and at most 100 photons per pixel and frame");
  anyCount_ = inverse_poisson(shape.mean, 0, std::size_t{1} << kTableBits);
  photonCount_ = inverse_poisson(shape.mean, 1, std::size_t{1} << kTableBits);
}

Random Series::frame_random(std::uint64_t frame) const {
  std::uint64_t state = shape_.seed ^ (frame * 0xD1342543DE82EF95U);
  return Random(splitmix(state));
}

void Series::events(std::uint64_t frame, FrameEvents& out) const {
  out.pixel.clear();
  out.count.clear();
  Random random = frame_random(frame);
  const auto pixels = static_cast<double>(shape_.pixels());
  // Empty pixels up to the next photon: geometric, with P(empty) = exp(-mean).
  double at = std::floor(std::log(random.uniform()) / logEmpty_);
  while (at < pixels) {
    out.pixel.push_back(static_cast<std::uint32_t>(at));
    out.count.push_back(photonCount_[random.next() >> (64 - kTableBits)]);
    at += 1 + std::floor(std::log(random.uniform()) / logEmpty_);
  }
}

void Series::dense(std::uint64_t frame, std::vector<std::uint16_t>& out) const {
  out.resize(shape_.pixels());
  Random random = frame_random(frame);
  std::uint64_t bits = 0;
  for (std::size_t p = 0; p < out.size(); ++p) {
    if (p % 4 == 0) bits = random.next();
    out[p] = anyCount_[bits & 0xFFFF];
    bits >>= 16;
  }
}

std::uint16_t largest_count(double mean) { return inverse_poisson(mean, 1, std::size_t{1} << 16).back(); }

}  // namespace xpcs::bench
