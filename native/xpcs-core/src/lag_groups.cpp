#include "lag_groups.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace xpcs {
namespace {

/// Groups of one dynamic bin: enough for errors of 6 %; fewer where many bins would make them large together.
std::uint32_t groups_of_dynamic(std::uint32_t dynamicBins) { return std::clamp(8192 / dynamicBins, 32U, kGroupsMax); }

/// Groups that a tile has at least of a static bin with as many: what the kernels add up side by side.
constexpr std::uint32_t kInTile = 8;

/// The units of one dynamic bin, groups or static bins, with what each moves g2 by at every lag, relative to its error's unit.
class Units {
 public:
  Units(const Moments& moments, const GroupPlan& plan, const std::vector<double>& sums, std::vector<std::size_t> members, Averaging averaging)
      : moments_(moments), plan_(plan), sums_(sums), members_(std::move(members)), delays_(moments.terms.size()) {
    double all = 0;
    double alone = 0;
    for (const std::size_t s : members_) {
      all += moments.pixels[s];
      alone += moments.pixels[s] == 1 ? 1 : 0;
    }
    set_shares(averaging);
    if (2 * (all - alone) >= all) take_groups();
    else take_bins(averaging);
  }

  [[nodiscard]] std::uint64_t freedom() const noexcept { return freedom_; }

  /// Sum over the units of the products of two lags [D, D], in photon pairs squared, so that repeats add up.
  void add_products(double* out) const {
    for (std::size_t at = 0; at < rows_.size(); at += delays_) {
      const double* row = rows_.data() + at;
      for (std::size_t i = 0; i < delays_; ++i) {
        if (row[i] == 0) continue;
        for (std::size_t j = i; j < delays_; ++j) out[i * delays_ + j] += row[i] * row[j];
      }
    }
    for (std::size_t i = 0; i < delays_; ++i) {
      for (std::size_t j = 0; j < i; ++j) out[i * delays_ + j] = out[j * delays_ + i];
    }
  }

 private:
  [[nodiscard]] double expected(std::size_t s, std::size_t d) const {
    const Moment& moment = moments_.at(s, d);
    return moment.past.value(moments_.exact) * moment.future.value(moments_.exact) / (moments_.pixels[s] * static_cast<double>(moments_.terms[d]));
  }

  /// Of every bin at every lag, in units in which the pairs of the average add up over repeats: of the plain mean, mean expected pairs of a bin.
  void set_shares(Averaging averaging) {
    std::vector<BinTerm> bins;
    for (std::size_t d = 0; d < delays_; ++d) {
      bins.clear();
      double sum = 0;
      for (const std::size_t s : members_) {
        const Moment& moment = moments_.at(s, d);
        bins.push_back({static_cast<double>(moments_.pixels[s]), moment.products.value(moments_.exact), expected(s, d), moment.a, moment.b, moment.c});
        sum += std::abs(finite(bins.back().expected));
      }
      const double unit = averaging == Averaging::plain ? sum / static_cast<double>(members_.size()) : 1;
      for (const BinShare& share : bin_shares(bins, averaging)) shares_.push_back({share.about, share.share * unit});
    }
  }
  [[nodiscard]] const BinShare& share(std::size_t member, std::size_t d) const { return shares_[d * members_.size() + member]; }

  static double finite(double value) { return std::isfinite(value) ? value : 0; }

  void take_groups() {
    for (std::size_t member = 0; member < members_.size(); ++member) {
      const std::size_t s = members_[member];
      const std::size_t groups = plan_.groups[s];
      if (groups < 2) continue;
      freedom_ += groups - 1;
      const std::size_t first = rows_.size();
      rows_.resize(first + groups * delays_);
      const double n = moments_.pixels[s];
      const double* size = plan_.size.data() + plan_.begin[s];
      double squares = 0;
      for (std::size_t k = 0; k < groups; ++k) squares += size[k] * size[k];
      const double unbiased = std::sqrt(1 / (1 - squares / (n * n)));
      for (std::size_t d = 0; d < delays_; ++d) {
        const Moment& moment = moments_.at(s, d);
        const double past = moment.past.value(moments_.exact);
        const double future = moment.future.value(moments_.exact);
        const double all = expected(s, d);
        const auto [about, share] = this->share(member, d);
        const double excess = moment.products.value(moments_.exact) - about * all;  // of the bin, spread evenly
        const double scale = 1 / (n * static_cast<double>(moments_.terms[d]));
        const double* sum = sums_.data() + (plan_.begin[s] * delays_ + d * groups) * 3;
        for (std::size_t k = 0; k < groups; ++k) {
          const double expect = (sum[groups + k] * future + past * sum[2 * groups + k]) * scale - all * size[k] / n;
          rows_[first + k * delays_ + d] = finite((sum[k] - about * expect - excess * size[k] / n) * unbiased * share);
        }
      }
    }
  }

  /// Where static bins have one pixel: what they have beyond the average. Of the plain mean, their g2 about it.
  void take_bins(Averaging averaging) {
    freedom_ = members_.size() - 1;
    rows_.resize(members_.size() * delays_);
    for (std::size_t d = 0; d < delays_; ++d) {
      const auto g2 = [&](std::size_t s) { return moments_.at(s, d).products.value(moments_.exact) / expected(s, d); };
      double sum = 0;
      double n = 0;
      for (const std::size_t s : members_) {
        if (!std::isfinite(g2(s))) continue;
        sum += g2(s);
        n += 1;
      }
      for (std::size_t k = 0; k < members_.size(); ++k) {
        const BinShare& of = share(k, d);
        const double all = expected(members_[k], d);
        rows_[k * delays_ + d] = finite((g2(members_[k]) - (averaging == Averaging::plain ? sum / n : of.about)) * all * of.share);
      }
    }
  }

  const Moments& moments_;
  const GroupPlan& plan_;
  const std::vector<double>& sums_;
  std::vector<std::size_t> members_;
  std::size_t delays_;
  std::vector<BinShare> shares_;  // [D, members]
  std::vector<double> rows_;  // [units, D]
  std::uint64_t freedom_ = 0;
};

}  // namespace

GroupPlan::GroupPlan(const Partition& part) : groups(part.staticBins), perTile(part.staticBins), begin(part.staticBins + std::size_t{1}) {
  for (std::uint32_t s = 0; s < part.staticBins; ++s) {
    const std::uint32_t n = part.correlatedPixels[s];
    if (n > 0) {
      const double wanted = static_cast<double>(groups_of_dynamic(part.dynamicBins)) * n / part.pixelsOfDynamic[part.dynamicOfStatic[s]];
      groups[s] = std::min(std::bit_ceil(std::max(2U, static_cast<std::uint32_t>(std::ceil(wanted)))), std::bit_floor(n));
      const std::uint64_t share = std::uint64_t{groups[s]} * kTilePixels / n;
      perTile[s] = std::min(groups[s], std::max(kInTile, static_cast<std::uint32_t>(std::bit_ceil(share))));
    }
    begin[s + std::size_t{1}] = begin[s] + groups[s];
  }
  size.resize(begin.back());
  for (std::uint32_t rank = 0; rank < part.pixelOfRank.size();) {
    if (part.correlated[rank] == 0) {
      ++rank;
      continue;
    }
    const std::uint32_t s = part.staticOfRank[rank];
    const std::uint32_t end = rank + part.correlatedPixels[s];  // one run of ranks
    while (rank < end) {
      const std::uint32_t here = std::min(end - rank, kTilePixels - rank % kTilePixels);
      double* sizes = size.data() + begin[s] + first(s, rank);
      for (std::uint32_t k = 0; k < perTile[s]; ++k) sizes[k] += here / perTile[s] + (k < here % perTile[s] ? 1 : 0);
      rank += here;
    }
  }
}

void set_lag_covariance(Moments& moments, const GroupPlan& plan, const std::vector<double>& sums, Averaging averaging) {
  const std::size_t D = moments.terms.size();
  std::vector<std::vector<std::size_t>> members(moments.dynamicBins);
  for (std::size_t s = 0; s < moments.staticBins; ++s) {
    if (moments.pixels[s] > 0) members[moments.dynamicOfStatic[s]].push_back(s);
  }
  moments.lagCovariance.assign(moments.dynamicBins * D * D, 0.0);
  moments.lagFreedom.assign(moments.dynamicBins, 0);
  for (std::size_t q = 0; q < moments.dynamicBins; ++q) {
    if (members[q].empty()) continue;
    const Units units(moments, plan, sums, std::move(members[q]), averaging);
    units.add_products(moments.lagCovariance.data() + q * D * D);
    moments.lagFreedom[q] = units.freedom();
  }
}

}  // namespace xpcs
