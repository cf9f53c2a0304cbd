// Random maps and photons, and how results are compared: for all tests of correlators.
#pragma once
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "xpcs/partition.hpp"

namespace xpcs {

struct Events {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<std::int64_t> count;
  void add(std::uint32_t f, std::uint32_t p, std::int64_t c) {
    frame.push_back(f);
    pixel.push_back(p);
    count.push_back(c);
  }
  [[nodiscard]] std::size_t size() const { return frame.size(); }
};

/// Of whole frames; what is negative is none.
inline Events events_of(std::span<const std::uint16_t> rows, std::uint32_t pixels, bool signedCounts) {
  Events events;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != 0 && !(signedCounts && rows[i] >= 0x8000)) events.add(static_cast<std::uint32_t>(i / pixels), static_cast<std::uint32_t>(i % pixels), rows[i]);
  }
  return events;
}

inline std::uint32_t below(std::mt19937& random, std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); }

inline Partition random_partition(std::mt19937& random, std::uint32_t h, std::uint32_t w) {
  std::vector<std::int32_t> dq(h * w), sq(h * w);
  for (std::uint32_t p = 0; p < h * w; ++p) {
    const auto q = static_cast<std::int32_t>(p < 3 ? p + 1 : below(random, 4));  // every dynamic bin exists; 0 is masked
    dq[p] = q;
    sq[p] = q == 0 ? 0 : q * 4 - static_cast<std::int32_t>(below(random, 3));  // static labels with gaps
  }
  return make_partition(h, w, dq, sq, SplitBins::error);
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

}  // namespace xpcs
