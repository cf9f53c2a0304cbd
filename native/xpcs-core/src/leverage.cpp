#include "leverage.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "threads.hpp"

namespace xpcs {
namespace {

constexpr double kOutlier = 12;         ///< times what a pixel of the bin moves g2 on average
constexpr double kBrightnessLimit = 4;  ///< of the pixels that the search begins with, in standard deviations
constexpr double kExcessLimit = 6;      ///< of their pairs, in the same unit
constexpr std::size_t kPixelsMin = 8;   ///< of a static bin that can be judged
constexpr std::size_t kShareMax = 10;   ///< at most one pixel of so many is a blemish
constexpr int kRounds = 20;            ///< of the last look at the sound pixels
constexpr std::size_t kListed = 10;     ///< strongest pixels of a q bin that are listed in any case

/// Sums over a set of pixels at one lag: y products, p past, f future counts, and their second moments.
struct SetAtLag {
  double n = 0, y = 0, p = 0, f = 0;
  SpreadSums spread;

  [[nodiscard]] SetAtLag with(double yi, double pi, double fi, double sign) const {
    SetAtLag set = *this;
    set.n += sign;
    set.y += sign * yi;
    set.p += sign * pi;
    set.f += sign * fi;
    set.spread.gg += sign * yi * yi;
    set.spread.gp += sign * yi * pi;
    set.spread.gf += sign * yi * fi;
    set.spread.pp += sign * pi * pi;
    set.spread.pf += sign * pi * fi;
    set.spread.ff += sign * fi * fi;
    return set;
  }
  [[nodiscard]] double expected(double terms) const { return p * f / (n * terms); }
  [[nodiscard]] double g2(double terms) const { return y / expected(terms); }
  [[nodiscard]] Moment moment(double terms) const {
    Moment moment;
    moment.products.real = y;
    moment.past.real = p;
    moment.future.real = f;
    moment.pastFuture.real = p * f;
    if (n > 0) set_influence(moment, n, terms, false, spread);
    return moment;
  }
  /// Of g2, from the pixels' influence on it; at least that of counting one pair, or the pairs that there are.
  [[nodiscard]] double variance(double terms) const {
    const Moment m = moment(terms);
    const double e = expected(terms);
    const double ratio = y / e;
    const double square = n > 1 ? (m.a - 2 * ratio * m.b + ratio * ratio * m.c) * n / (n - 1) : 0;
    return std::max(square, std::max(y, 1.0)) / (e * e);
  }
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// 1.4826 times the median absolute deviation: the standard deviation of normal values.
double robust_scale(const std::vector<double>& values, double center) {
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - center));
  return 1.4826 * median(std::move(deviations));
}

/// How far one pixel moves g2.
struct Pull {
  double errors = 0;  ///< root mean square over the lags, in standard errors of the q bin's g2
  double ratio = 0;   ///< the same over what a pixel of its static bin moves it on average
  [[nodiscard]] bool blemish() const { return errors >= kBlemishPull && ratio >= kOutlier; }
};

/// The correlated pixels of one static bin, and the set of those that are taken for sound.
class StaticBin {
 public:
  /// @param members ranks; judged indices of the lags that count; terms [D]
  StaticBin(const Partition& part, const CorrelationResult& result, const std::vector<std::uint32_t>& members, double scale, const std::vector<std::size_t>& judged)
      : result_(result), judged_(judged), delays_(result.delays.size()), pixels_(members.size()) {
    for (const std::uint32_t rank : members) {
      pixel.push_back(part.pixelOfRank[rank]);
      counts.push_back(result.pixelMean[pixel.back()] * static_cast<double>(result.frames) * scale);
    }
    typical = median(counts);
    y_.resize(delays_ * pixels_);
    p_.resize(y_.size());
    f_.resize(y_.size());
    for (std::size_t d = 0; d < delays_; ++d) {
      const double block = std::ldexp(scale, static_cast<int>(result.delays[d].level));
      const double perTerm = terms(d) * block;
      for (std::size_t i = 0; i < pixels_; ++i) {
        const std::size_t from = d * part.pixels() + pixel[i];
        y_[d * pixels_ + i] = result.perPixelG2[from] * perTerm * block;
        p_[d * pixels_ + i] = result.perPixelIP[from] * perTerm;
        f_[d * pixels_ + i] = result.perPixelIF[from] * perTerm;
      }
    }
    sound.assign(pixels_, 1);
    all_ = sums();
    set_ = all_;
  }

  std::vector<std::uint32_t> pixel;
  std::vector<double> counts;         ///< of the whole series
  std::vector<std::uint8_t> sound;    ///< 1: in the set
  double typical = 0;                 ///< median of the counts

  /// Leaves out what stands out by its brightness or by its pairs: where the search begins.
  void begin() {
    if (pixels_ < kPixelsMin) return;
    const double limit = kBrightnessLimit * std::max(robust_scale(counts, typical), std::sqrt(std::max(typical, 1.0)));
    for (std::size_t i = 0; i < pixels_; ++i) sound[i] = std::abs(counts[i] - typical) > limit ? 0 : 1;
    set_ = sums();
    const std::vector<SetAtLag> steady = set_;
    for (const std::size_t d : judged_) {
      const double g2 = steady[d].g2(terms(d));
      if (!std::isfinite(g2)) continue;
      std::vector<double> excess;
      for (std::size_t i = 0; i < pixels_; ++i) {
        const double expected = g2 * p_[d * pixels_ + i] * f_[d * pixels_ + i] / terms(d);
        excess.push_back((y_[d * pixels_ + i] - expected) / std::sqrt(std::max(expected, 1.0)));
      }
      const double bound = kExcessLimit * std::max(1.0, robust_scale(excess, median(excess)));
      for (std::size_t i = 0; i < pixels_; ++i) {
        if (std::abs(excess[i]) > bound) sound[i] = 0;
      }
    }
    // When most pixels differ from each other there is no typical one to begin with.
    if (2 * std::accumulate(sound.begin(), sound.end(), std::size_t{0}) < pixels_) sound.assign(pixels_, 1);
    set_ = sums();
  }

  /// Variance of g2 of the set [D].
  [[nodiscard]] std::vector<double> variances() const {
    std::vector<double> out(delays_, 0.0);
    for (const std::size_t d : judged_) {
      const double variance = set_[d].variance(terms(d));
      if (std::isfinite(variance)) out[d] = variance;
    }
    return out;
  }

  /// Takes back, weakest first, what does not pull g2 of the set by much, then leaves out what does.
  /// @param others [D] variance of the sum of g2 over the other static bins of the q bin
  void search(const std::vector<double>& others) {
    if (pixels_ < kPixelsMin) return;
    while (readmit(others)) continue;
    for (int round = 0; round < kRounds && expel(others); ++round) continue;
    const std::size_t out = pixels_ - std::accumulate(sound.begin(), sound.end(), std::size_t{0});
    if (out <= std::max<std::size_t>(1, pixels_ / kShareMax)) return;
    mixed = true;  // not a few defects: the bin or the map is wrong
    sound.assign(pixels_, 1);
    set_ = sums();
  }
  bool mixed = false;

  [[nodiscard]] Pull pull(std::size_t i, const std::vector<double>& others) const {
    double errors = 0;
    double ratio = 0;
    double lags = 0;
    for (const std::size_t d : judged_) {
      const auto [yi, pi, fi] = curve(i, d);
      const SetAtLag without = sound[i] != 0 ? set_[d].with(yi, pi, fi, -1) : set_[d];
      const double move = without.with(yi, pi, fi, 1).g2(terms(d)) - without.g2(terms(d));
      const double variance = without.variance(terms(d));
      if (!std::isfinite(move) || !std::isfinite(variance)) continue;
      errors += move * move / (variance + others[d]);
      ratio += move * move * without.n / variance;
      lags += 1;
    }
    return lags > 0 ? Pull{std::sqrt(errors / lags), std::sqrt(ratio / lags)} : Pull{};
  }

  /// g2 of the bin at one lag, of all pixels and without one of them.
  [[nodiscard]] double g2(std::size_t d) const { return all_[d].g2(terms(d)); }
  [[nodiscard]] double g2_without(std::size_t i, std::size_t d) const {
    const auto [yi, pi, fi] = curve(i, d);
    return all_[d].with(yi, pi, fi, -1).g2(terms(d));
  }
  /// Of the set [D].
  [[nodiscard]] std::vector<Moment> moments() const {
    std::vector<Moment> out;
    for (std::size_t d = 0; d < delays_; ++d) out.push_back(set_[d].moment(terms(d)));
    return out;
  }
  [[nodiscard]] double pairs(std::size_t d) const { return set_[d].y; }
  [[nodiscard]] std::size_t size() const { return pixels_; }

 private:
  struct Curve {
    double y, p, f;
  };
  [[nodiscard]] Curve curve(std::size_t i, std::size_t d) const { return {y_[d * pixels_ + i], p_[d * pixels_ + i], f_[d * pixels_ + i]}; }
  [[nodiscard]] double terms(std::size_t d) const { return static_cast<double>(result_.delays[d].terms); }

  [[nodiscard]] std::vector<SetAtLag> sums() const {
    std::vector<SetAtLag> out(delays_);
    for (std::size_t d = 0; d < delays_; ++d) {
      for (std::size_t i = 0; i < pixels_; ++i) {
        if (sound[i] != 0) out[d] = out[d].with(curve(i, d).y, curve(i, d).p, curve(i, d).f, 1);
      }
    }
    return out;
  }

  void move(std::size_t i, bool in) {
    sound[i] = in ? 1 : 0;
    for (std::size_t d = 0; d < delays_; ++d) set_[d] = set_[d].with(curve(i, d).y, curve(i, d).p, curve(i, d).f, in ? 1 : -1);
  }

  /// The weaker half of the pixels outside that are no blemishes come in. False when there are none.
  bool readmit(const std::vector<double>& others) {
    std::vector<std::pair<double, std::size_t>> weak;
    for (std::size_t i = 0; i < pixels_; ++i) {
      if (sound[i] != 0) continue;
      const Pull own = pull(i, others);
      if (!own.blemish()) weak.emplace_back(own.errors, i);
    }
    std::sort(weak.begin(), weak.end());
    for (std::size_t k = 0; k < (weak.size() + 1) / 2; ++k) move(weak[k].second, true);
    return !weak.empty();
  }

  /// The strongest blemishes inside go out, those with half the pull of the first. False when there are none.
  bool expel(const std::vector<double>& others) {
    std::vector<std::pair<double, std::size_t>> strong;
    for (std::size_t i = 0; i < pixels_; ++i) {
      if (sound[i] == 0) continue;
      const Pull own = pull(i, others);
      if (own.blemish()) strong.emplace_back(own.errors, i);
    }
    std::sort(strong.rbegin(), strong.rend());
    for (const auto& [errors, i] : strong) {
      if (2 * errors >= strong.front().first) move(i, false);
    }
    return !strong.empty();
  }

  const CorrelationResult& result_;
  const std::vector<std::size_t>& judged_;
  std::size_t delays_, pixels_;
  std::vector<double> y_, p_, f_;  // [D, pixels]
  std::vector<SetAtLag> all_, set_;
};

/// Lags of each q bin that have pairs enough to be judged.
std::vector<std::vector<std::size_t>> judged_lags(const Moments& moments) {
  std::vector<std::vector<std::size_t>> lags(moments.dynamicBins);
  for (std::size_t d = 0; d < moments.terms.size(); ++d) {
    for (std::size_t q = 0; q < moments.dynamicBins; ++q) {
      if (moments.pairs[d * moments.dynamicBins + q] >= kPairsForError) lags[q].push_back(d);
    }
  }
  return lags;
}

/// What is told of a pixel. The change is of g2 of all pixels, exactly; `values` [D] static bins with a value.
LeveragePixel describe(const StaticBin& bin, std::size_t i, const Pull& pull, const CorrelationResult& result, const std::vector<std::size_t>& judged,
                       const std::vector<double>& values) {
  LeveragePixel out;
  out.pixel = bin.pixel[i];
  out.countsPerFrame = result.pixelMean[out.pixel];
  out.brightness = bin.counts[i] / bin.typical;
  out.pull = pull.errors;
  out.blemish = bin.sound[i] == 0;
  double lags = 0;
  for (const std::size_t d : judged) {
    const double change = (bin.g2_without(i, d) - bin.g2(d)) / values[d];
    if (!std::isfinite(change)) continue;
    out.change += change;
    lags += 1;
    if (std::abs(change) <= std::abs(out.largestChange)) continue;
    out.largestChange = change;
    out.largestAt = result.delays[d].frames;
  }
  if (lags > 0) out.change /= lags;
  return out;
}

/// Blemishes first, then by pull; the pixel decides between equal ones.
bool before(const LeveragePixel& a, const LeveragePixel& b) {
  if (a.blemish != b.blemish) return a.blemish;
  return a.pull != b.pull ? a.pull > b.pull : a.pixel < b.pixel;
}

void shorten(std::vector<LeveragePixel>& pixels) {
  std::sort(pixels.begin(), pixels.end(), before);
  std::size_t keep = 0;
  while (keep < pixels.size() && (keep < kListed || pixels[keep].blemish)) ++keep;
  pixels.resize(keep);
}

}  // namespace

Leverage find_leverage(const Partition& part, const CorrelationResult& result, std::uint32_t average, Averaging averaging, unsigned threads, const Control& control) {
  const std::size_t S = part.staticBins;
  const std::size_t Q = part.dynamicBins;
  const std::size_t D = result.delays.size();
  std::vector<std::vector<std::uint32_t>> members(S);
  for (std::uint32_t rank = 0; rank < part.pixelOfRank.size(); ++rank) {
    if (part.correlated[rank] != 0) members[part.staticOfRank[rank]].push_back(rank);
  }
  const auto judged = judged_lags(result.moments);
  const auto open = [&](std::size_t s) { return StaticBin(part, result, members[s], average, judged[part.dynamicOfStatic[s]]); };

  // First what every bin scatters by itself, then the search, which compares with the scatter of the whole q bin.
  std::vector<std::vector<double>> own(S);
  std::vector<std::vector<std::uint8_t>> hasValue(S);
  parallel_for(S, std::max(1U, threads), [&](std::size_t s, unsigned) {
    control.check();
    if (members[s].empty()) return;
    StaticBin bin = open(s);
    for (std::size_t d = 0; d < D; ++d) hasValue[s].push_back(std::isnan(bin.g2(d)) ? 0 : 1);
    bin.begin();
    own[s] = bin.variances();
  });
  std::vector<std::vector<double>> total(Q, std::vector<double>(D, 0.0)), values(Q, std::vector<double>(D, 0.0));
  for (std::size_t s = 0; s < S; ++s) {
    for (std::size_t d = 0; d < D && !members[s].empty(); ++d) {
      total[part.dynamicOfStatic[s]][d] += own[s][d];
      values[part.dynamicOfStatic[s]][d] += hasValue[s][d];
    }
  }

  Moments without = result.moments;
  without.exact = false;
  without.pastFutureBits = 0;  // the pixels' means are already of the good frames alone
  for (auto* shares : {&without.goodPairs, &without.goodPast, &without.goodFuture}) shares->clear();
  std::vector<std::vector<LeveragePixel>> found(S);
  std::vector<std::vector<double>> pairs(S);
  std::vector<std::uint8_t> mixed(S, 0), unjudged(S, 0);
  parallel_for(S, std::max(1U, threads), [&](std::size_t s, unsigned) {
    control.check();
    if (members[s].empty()) return;
    const std::size_t q = part.dynamicOfStatic[s];
    StaticBin bin = open(s);
    std::vector<double> others(D);
    for (std::size_t d = 0; d < D; ++d) others[d] = std::max(0.0, total[q][d] - own[s][d]);
    bin.begin();
    bin.search(others);
    mixed[s] = bin.mixed ? 1 : 0;
    unjudged[s] = bin.size() < kPixelsMin || judged[q].empty() ? 1 : 0;
    for (std::size_t i = 0; i < bin.size() && !judged[q].empty(); ++i) {
      LeveragePixel pixel = describe(bin, i, bin.pull(i, others), result, judged[q], values[q]);
      pixel.dynamicBin = static_cast<std::uint32_t>(q);
      pixel.staticBin = static_cast<std::uint32_t>(s);
      found[s].push_back(pixel);
    }
    shorten(found[s]);
    const std::vector<Moment> moments = bin.moments();
    std::copy(moments.begin(), moments.end(), without.moment.begin() + static_cast<std::ptrdiff_t>(s * D));
    without.pixels[s] = static_cast<std::uint32_t>(std::accumulate(bin.sound.begin(), bin.sound.end(), std::size_t{0}));
    for (std::size_t d = 0; d < D; ++d) pairs[s].push_back(bin.pairs(d));
  });

  Leverage leverage;
  std::fill(without.pairs.begin(), without.pairs.end(), 0.0);
  std::vector<std::vector<LeveragePixel>> perBin(Q);
  for (std::size_t s = 0; s < S; ++s) {
    if (members[s].empty()) continue;
    const std::size_t q = part.dynamicOfStatic[s];
    for (std::size_t d = 0; d < D; ++d) without.pairs[d * Q + q] += pairs[s][d];
    perBin[q].insert(perBin[q].end(), found[s].begin(), found[s].end());
    if (mixed[s] != 0) leverage.mixedBins.push_back(static_cast<std::uint32_t>(s));
    if (unjudged[s] != 0) leverage.unjudgedBins.push_back(static_cast<std::uint32_t>(s));
  }
  for (std::size_t q = 0; q < Q; ++q) {
    leverage.lagsJudged.push_back(judged[q].size());
    shorten(perBin[q]);
    leverage.pixels.insert(leverage.pixels.end(), perBin[q].begin(), perBin[q].end());
  }
  leverage.without = curves_of(without, Pooling::per_repeat, averaging);
  return leverage;
}

}  // namespace xpcs
