#include "bad_frames.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace xpcs {

FrameList FrameList::parse(const std::string& text) {
  FrameList list;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](std::uint64_t& value) {
    const auto [next, status] = std::from_chars(at, end, value);
    at = next;
    return status == std::errc() && value >= 1;
  };
  while (at < end) {
    std::uint64_t first = 0;
    bool good = number(first);
    std::uint64_t last = first;
    if (good && at < end && *at == '-') {
      ++at;
      good = number(last) && last >= first;
    }
    if (!good || (at < end && *at++ != ',')) throw Error(Code::invalid_argument, "--bad-frames " + text + " is not a list such as 1,5-9 (frames count from 1)");
    list.ranges_.emplace_back(first, last);
  }
  std::sort(list.ranges_.begin(), list.ranges_.end());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> merged;
  for (const auto& range : list.ranges_) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  list.ranges_ = std::move(merged);
  return list;
}

bool FrameList::contains(std::uint64_t frame) const noexcept {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), frame, [](std::uint64_t value, const auto& range) { return value < range.first; });
  return after != ranges_.begin() && frame <= std::prev(after)->second;
}

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Share of the terms of a sum over all frames that good frames gave.
struct Shares {
  double pairs, past, future;
};

/// @param before [frames + 1] good frames before each frame
Shares shares_of(const Delay& delay, const std::vector<std::uint64_t>& before) {
  const std::uint64_t block = std::uint64_t{1} << delay.level;
  const auto good = [&](std::uint64_t from, std::uint64_t to) { return static_cast<double>(before[to] - before[from]); };
  double pairs = 0;
  for (std::uint64_t b = 0; b < delay.terms; ++b) {
    pairs += good(b * block, (b + 1) * block) * good((b + delay.lag) * block, (b + delay.lag + 1) * block);
  }
  const auto size = static_cast<double>(block);
  return {pairs / (static_cast<double>(delay.terms) * size * size), good(0, delay.pastEnd) / static_cast<double>(delay.pastEnd),
          good(delay.frames, delay.futureEnd) / static_cast<double>(delay.futureEnd - delay.frames)};
}

void divide(std::vector<float>& matrix, std::size_t row, std::size_t columns, double share) {
  for (std::size_t i = 0; i < columns && !matrix.empty(); ++i) matrix[row * columns + i] = static_cast<float>(matrix[row * columns + i] / share);
}

}  // namespace

void correct_for_bad_frames(const std::vector<std::uint8_t>& bad, std::uint32_t staticWindow, CorrelationResult& result) {
  std::vector<std::uint64_t> before(bad.size() + 1, 0);
  for (std::size_t i = 0; i < bad.size(); ++i) before[i + 1] = before[i] + (bad[i] != 0 ? 0 : 1);
  if (before.back() == 0) throw Error(Code::invalid_argument, "all frames of the range are bad frames: none is left to correlate");

  const std::size_t D = result.delays.size();
  const std::size_t Q = D > 0 ? result.g2.size() / D : 0;
  for (std::size_t d = 0; d < D; ++d) {
    const Shares shares = shares_of(result.delays[d], before);
    if (!result.moments.terms.empty()) set_good_shares(result.moments, d, shares.pairs, shares.past, shares.future);
    const double factor = shares.pairs > 0 ? shares.past * shares.future / shares.pairs : kNan;
    for (std::size_t q = 0; q < Q; ++q) {
      result.g2[d * Q + q] *= factor;
      result.g2Err[d * Q + q] *= factor;
      result.g2SpreadErr[d * Q + q] *= factor;
    }
    divide(result.perPixelG2, d, result.pixelMean.size(), shares.pairs);
    divide(result.perPixelIP, d, result.pixelMean.size(), shares.past);
    divide(result.perPixelIF, d, result.pixelMean.size(), shares.future);
  }
  for (std::size_t i = 0; i < bad.size(); ++i) {
    if (bad[i] != 0) result.moments.badFrames.push_back(i);
  }
  const double share = static_cast<double>(before.back()) / static_cast<double>(bad.size());
  for (double& mean : result.partitionMeanTotal) mean /= share;
  for (double& mean : result.pixelMean) mean /= share;
  const std::size_t S = result.partitionMeanTotal.size();
  for (std::size_t i = 0; i < result.partitionMeanPartial.size(); ++i) {
    const std::uint64_t from = i / S * staticWindow;
    const auto good = static_cast<double>(before[from + staticWindow] - before[from]);
    result.partitionMeanPartial[i] = good > 0 ? result.partitionMeanPartial[i] * staticWindow / good : kNan;
  }
}

}  // namespace xpcs
