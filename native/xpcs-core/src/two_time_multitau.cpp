#include "two_time_multitau.hpp"

#include <cmath>
#include <limits>

namespace xpcs::twotime {
namespace {

/// Sum of a[i] b[i]: eight sums side by side, then these in order.
double full_product(const double* a, const double* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  for (; i < n; ++i) lanes[i % kLanes] += a[i] * b[i];
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

/// Sum of the listed values times what lies at their places.
double listed_product(const Block& list, const double* values) {
  double even = 0, odd = 0;
  std::size_t i = 0;
  for (; i + 2 <= list.place.size(); i += 2) {
    even += list.value[i] * values[list.place[i]];
    odd += list.value[i + 1] * values[list.place[i + 1]];
  }
  if (i < list.place.size()) even += list.value[i] * values[list.place[i]];
  return even + odd;
}

void add_to(const Block& block, std::vector<double>& sums) {
  if (block.full) {
    for (std::size_t p = 0; p < sums.size(); ++p) sums[p] += block.value[p];
  } else {
    for (std::size_t i = 0; i < block.place.size(); ++i) sums[block.place[i]] += block.value[i];
  }
}

}  // namespace

TileStream::TileStream(std::uint32_t pixels, const std::vector<Delay>& delays) : pixels_(pixels), delays_(delays), spread_(pixels, 0.0), rows_(delays.size()) {
  for (std::size_t d = 0; d < delays.size(); ++d) {
    levels_.resize(std::max<std::size_t>(levels_.size(), delays[d].level + 1));
    Level& level = levels_[delays[d].level];
    level.delays.push_back(d);
    level.ring.resize(std::max<std::size_t>(level.ring.size(), delays[d].lag + 1));
    rows_[d].reserve(delays[d].terms);
  }
}

void TileStream::add(std::size_t at, Block block) {
  Level& level = levels_[at];
  const std::size_t size = level.ring.size();
  for (std::size_t i = 0; i < block.place.size(); ++i) spread_[block.place[i]] = block.value[i];
  for (const std::size_t d : level.delays) {
    if (level.next >= delays_[d].lag) rows_[d].push_back(product(level.ring[(level.next - delays_[d].lag) % size], block));
  }
  for (const std::uint32_t place : block.place) spread_[place] = 0;
  const bool second = level.next % 2 == 1 && at + 1 < levels_.size();
  Block coarse = second ? mean(level.ring[(level.next - 1) % size], block) : Block{};
  level.ring[level.next % size] = std::move(block);
  ++level.next;
  if (second) add(at + 1, std::move(coarse));
}

double TileStream::product(const Block& older, const Block& newer) const {
  if (!older.full) return listed_product(older, newer.full ? newer.value.data() : spread_.data());
  return newer.full ? full_product(older.value.data(), newer.value.data(), pixels_) : listed_product(newer, older.value.data());
}

Block TileStream::mean(const Block& a, const Block& b) const {
  Block out;
  if (a.full || b.full || full(a.place.size() + b.place.size())) {
    out.full = true;
    out.value.assign(pixels_, 0.0);
    add_to(a, out.value);
    add_to(b, out.value);
  } else {
    out.place.reserve(a.place.size() + b.place.size());
    out.value.reserve(a.place.size() + b.place.size());
    std::size_t i = 0, j = 0;
    while (i < a.place.size() || j < b.place.size()) {
      const std::uint32_t left = i < a.place.size() ? a.place[i] : pixels_;
      const std::uint32_t right = j < b.place.size() ? b.place[j] : pixels_;
      out.place.push_back(std::min(left, right));
      out.value.push_back((left <= right ? a.value[i] : 0.0) + (right <= left ? b.value[j] : 0.0));
      i += left <= right ? 1 : 0;
      j += right <= left ? 1 : 0;
    }
  }
  for (double& value : out.value) value *= 0.5;
  return out;
}

std::vector<std::uint64_t> age_edges(std::uint64_t frames, std::uint32_t dpl) {
  std::vector<std::uint64_t> edges{0};
  for (std::uint64_t width = 1; edges.back() < frames; width *= 2) {
    for (std::uint32_t k = 0; k < (width == 1 ? 2 * dpl : dpl) && edges.back() < frames; ++k) edges.push_back(edges.back() + width);
  }
  return edges;
}

std::uint64_t multitau_bytes(std::uint64_t frames, std::uint64_t pixels, std::uint64_t bins, std::uint32_t dpl, unsigned threads) {
  std::uint64_t values = 0, blocks = 0;
  std::uint32_t level = 0;
  for (const Delay& delay : multitau_delays(frames, dpl)) {
    values += delay.terms;
    level = std::max(level, delay.level);
  }
  blocks = (level + 1ull) * (2ull * dpl + 1);
  const std::uint64_t tile = std::min<std::uint64_t>(pixels, kTilePixels) * blocks * sizeof(double) + values * sizeof(double);
  return tile * (threads + 2ull) + values * bins * sizeof(float);
}

void finish_multitau_bin(const DelayRows& rows, std::size_t bins, std::size_t bin, MultitauTwoTime& out) {
  const std::size_t D = out.delays.size();
  const std::size_t A = out.ageEdges.size() - 1;
  out.g2.resize(D * bins);
  out.byAge.resize(bins * A * D, std::numeric_limits<double>::quiet_NaN());
  std::vector<float> values;
  values.reserve(out.start.back());
  for (std::size_t d = 0; d < D; ++d) {
    const double width = static_cast<double>(std::uint64_t{1} << out.delays[d].level);
    std::vector<double> sums(A, 0.0), terms(A, 0.0);
    double total = 0;
    std::size_t a = 0;
    for (std::size_t i = 0; i < rows[d].size(); ++i) {
      values.push_back(static_cast<float>(rows[d][i]));
      total += rows[d][i];
      const double age = width * (static_cast<double>(i) + static_cast<double>(out.delays[d].lag + 1) / 2);
      while (age >= static_cast<double>(out.ageEdges[a + 1])) ++a;
      sums[a] += rows[d][i];
      terms[a] += 1;
    }
    out.g2[d * bins + bin] = total / static_cast<double>(rows[d].size());
    for (std::size_t k = 0; k < A; ++k) {
      if (terms[k] > 0) out.byAge[(bin * A + k) * D + d] = sums[k] / terms[k];
    }
  }
  out.values.push_back(std::move(values));
}

}  // namespace xpcs::twotime
