#include "bad_frames.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "intake.hpp"

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

FrameRanges FrameList::of_series(const FramePlan& plan) const {
  FrameRanges frames;
  for (const auto& [first, last] : ranges_) {
    if (last <= plan.first) continue;
    // Of the file frames that the series reads, every stride-th one, the first and the last in the range.
    const std::uint64_t from = (std::max(first - 1, plan.first) - plan.first + plan.stride - 1) / plan.stride;
    const std::uint64_t to = (last - 1 - plan.first) / plan.stride;
    if (from > to) continue;
    const std::pair own(from / plan.average, to / plan.average + 1);
    if (!frames.empty() && own.first <= frames.back().second) frames.back().second = std::max(frames.back().second, own.second);
    else frames.push_back(own);
  }
  return frames;
}

FrameRanges frames_within(const FrameRanges& ranges, std::uint64_t from, std::uint64_t to) {
  FrameRanges within;
  for (const auto& [begin, end] : ranges) {
    if (std::max(begin, from) < std::min(end, to)) within.emplace_back(std::max(begin, from) - from, std::min(end, to) - from);
  }
  return within;
}

std::uint64_t frames_of(const FrameRanges& ranges) {
  std::uint64_t n = 0;
  for (const auto& [begin, end] : ranges) n += end - begin;
  return n;
}

bool contains_frame(const FrameRanges& ranges, std::uint64_t frame) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), frame, [](std::uint64_t value, const auto& range) { return value < range.first; });
  return after != ranges.begin() && frame < std::prev(after)->second;
}

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Share of the terms of a sum over all frames that good frames gave.
struct Shares {
  double pairs, past, future;
};

/// How many bad frames lie where. Works with the ranges, so that memory and time follow the bad frames and not the series.
class BadFrames {
 public:
  explicit BadFrames(const FrameRanges& ranges) : ranges_(ranges) {
    for (const auto& [begin, end] : ranges) before_.push_back(before_.back() + (end - begin));
  }

  /// Of the frames in [from, to).
  [[nodiscard]] std::uint64_t between(std::uint64_t from, std::uint64_t to) const { return before(to) - before(from); }

  [[nodiscard]] Shares shares(const Delay& delay) const {
    const std::uint64_t size = std::uint64_t{1} << delay.level;
    const auto in_block = [&](std::uint64_t b) { return Int128{between(b * size, (b + 1) * size)}; };
    // Sum over the terms b of (size - bad(b)) (size - bad(b + lag)): only blocks with bad frames change it.
    Int128 lost = 0;
    Int128 both = 0;
    std::uint64_t next = 0;
    for (const auto& [begin, end] : ranges_) {
      for (std::uint64_t b = std::max(next, begin / size); b * size < end; ++b) {
        const Int128 bad = in_block(b);
        if (b < delay.terms) {
          lost += bad;
          both += bad * in_block(b + delay.lag);
        }
        if (b >= delay.lag && b < delay.terms + delay.lag) lost += bad;
        next = b + 1;
      }
    }
    const Int128 pairs = Int128{delay.terms} * size * size - lost * size + both;
    const auto block = static_cast<double>(size);
    return {static_cast<double>(pairs) / (static_cast<double>(delay.terms) * block * block), share(0, delay.pastEnd), share(delay.frames, delay.futureEnd)};
  }

 private:
  [[nodiscard]] double share(std::uint64_t from, std::uint64_t to) const { return static_cast<double>(to - from - between(from, to)) / static_cast<double>(to - from); }
  [[nodiscard]] std::uint64_t before(std::uint64_t frame) const {
    const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), frame, [](std::uint64_t value, const auto& range) { return value < range.first; });
    if (after == ranges_.begin()) return 0;
    const auto at = static_cast<std::size_t>(after - ranges_.begin()) - 1;
    return before_[at] + std::min(frame, ranges_[at].second) - ranges_[at].first;
  }

  const FrameRanges& ranges_;
  std::vector<std::uint64_t> before_{0};  // bad frames before each range
};

void divide(std::vector<float>& matrix, std::size_t row, std::size_t columns, double share) {
  for (std::size_t i = 0; i < columns && !matrix.empty(); ++i) matrix[row * columns + i] = static_cast<float>(matrix[row * columns + i] / share);
}

}  // namespace

void correct_for_bad_frames(const FrameRanges& ranges, std::uint32_t staticWindow, CorrelationResult& result) {
  const BadFrames bad(ranges);
  const std::uint64_t good = result.frames - frames_of(ranges);
  if (good == 0) throw Error(Code::invalid_argument, "all frames of the range are bad frames: none is left to correlate");

  const std::size_t D = result.delays.size();
  const std::size_t Q = D > 0 ? result.g2.size() / D : 0;
  for (std::size_t d = 0; d < D; ++d) {
    const Shares shares = bad.shares(result.delays[d]);
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
  for (const auto& [begin, end] : ranges) {
    for (std::uint64_t frame = begin; frame < end; ++frame) result.moments.badFrames.push_back(frame);
  }
  const double share = static_cast<double>(good) / static_cast<double>(result.frames);
  for (double& mean : result.partitionMeanTotal) mean /= share;
  for (double& mean : result.pixelMean) mean /= share;
  const std::size_t S = result.partitionMeanTotal.size();
  for (std::size_t i = 0; i < result.partitionMeanPartial.size(); ++i) {
    const std::uint64_t from = i / S * staticWindow;
    const auto left = static_cast<double>(staticWindow - bad.between(from, from + staticWindow));
    result.partitionMeanPartial[i] = left > 0 ? result.partitionMeanPartial[i] * staticWindow / left : kNan;
  }
}

}  // namespace xpcs
