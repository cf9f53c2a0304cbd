#include "moments_file.hpp"

#include <algorithm>
#include <cmath>

namespace xpcs {
namespace {

/// 128-bit integers as pairs (upper 64 bits, lower 64 bits).
std::vector<std::int64_t> halves(const std::vector<Moment>& moments, Number Moment::*member) {
  std::vector<std::int64_t> out;
  out.reserve(2 * moments.size());
  for (const Moment& moment : moments) {
    const Int128 value = (moment.*member).whole;
    out.push_back(static_cast<std::int64_t>(value >> 64));
    out.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(value)));
  }
  return out;
}

std::vector<double> reals(const std::vector<Moment>& moments, Number Moment::*member) {
  std::vector<double> out;
  out.reserve(moments.size());
  for (const Moment& moment : moments) out.push_back((moment.*member).real);
  return out;
}

struct Member {
  const char* name;
  Number Moment::*sum;
};
constexpr Member kMembers[] = {{"products", &Moment::products}, {"past", &Moment::past}, {"future", &Moment::future}, {"past_times_future", &Moment::pastFuture}};

struct Share {
  const char* name;
  std::vector<std::int64_t> Moments::*values;
};
constexpr Share kShares[] = {{"good_pairs", &Moments::goodPairs}, {"good_past", &Moments::goodPast}, {"good_future", &Moments::goodFuture}};

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  std::vector<To> out;
  for (const From value : values) out.push_back(static_cast<To>(value));
  return out;
}

/// The covariance between lags, where the file has it. False: it is damaged.
bool read_lags(const h5::File& file, const std::string& inside, Moments& out) {
  if (!file.has(inside + "lag_correlation")) return true;
  const std::size_t D = out.terms.size();
  const std::size_t Q = out.dynamicBins;
  LagCorrelation lags{cast<float>(file.doubles(inside + "lag_correlation")), file.doubles(inside + "lag_scale")};
  const auto freedom = file.wholes(inside + "lag_freedom");
  if (lags.correlation.size() != Q * D * D || lags.scale.size() != Q * D || freedom.size() != Q) return false;
  const auto sound = [](float r) { return std::abs(r) <= 1.001F; };  // which NaN is not
  const auto length = [](double scale) { return scale >= 0 && std::isfinite(scale); };
  if (!std::all_of(lags.correlation.begin(), lags.correlation.end(), sound) || !std::all_of(lags.scale.begin(), lags.scale.end(), length)) return false;
  if (std::any_of(freedom.begin(), freedom.end(), [](std::int64_t n) { return n < 0; })) return false;
  out.lagCovariance = lag_covariance(lags);
  out.lagFreedom = cast<std::uint64_t>(freedom);
  return true;
}

}  // namespace

void write_moments(h5::File& file, const std::string& group, const Moments& moments) {
  const std::string inside = group + "/";
  const hsize_t S = moments.staticBins;
  const hsize_t D = moments.terms.size();
  const hsize_t Q = moments.dynamicBins;
  std::vector<std::int64_t> owner;
  for (const std::uint32_t q : moments.dynamicOfStatic) owner.push_back(q == Partition::kMasked ? 0 : std::int64_t{q} + 1);
  file.write(inside + "exact", {}, std::vector<std::int64_t>{moments.exact ? 1 : 0});
  file.write(inside + "repeats", {}, std::vector<std::int64_t>{static_cast<std::int64_t>(moments.repeats)});
  file.write(inside + "dynamic_of_static", {S}, owner);
  file.write(inside + "pixels", {S}, cast<std::int64_t>(moments.pixels));
  file.write(inside + "terms", {D}, cast<std::int64_t>(moments.terms));
  file.write(inside + "delay_frames", {D}, cast<std::int64_t>(moments.delayFrames));
  file.write(inside + "pairs", {D, Q}, moments.pairs, true);
  if (!moments.goodPairs.empty()) {
    file.write(inside + "past_times_future_bits", {}, std::vector<std::int64_t>{moments.pastFutureBits});
    file.write(inside + "bad_frames", {moments.badFrames.size()}, cast<std::int64_t>(moments.badFrames));
    for (const Share& share : kShares) file.write(inside + share.name, {D}, moments.*share.values);
  }
  for (const Member& member : kMembers) {
    if (moments.exact) file.write(inside + member.name, {S, D, 2}, halves(moments.moment, member.sum), true);
    else file.write(inside + member.name, {S, D}, reals(moments.moment, member.sum), true);
  }
  std::vector<double> influence;
  for (double Moment::*part : {&Moment::a, &Moment::b, &Moment::c}) {
    for (const Moment& moment : moments.moment) influence.push_back(moment.*part);
  }
  file.write(inside + "influence", {3, S, D}, influence, true);
  if (moments.lagCovariance.empty()) return;
  const LagCorrelation lags = lag_correlation(moments);
  file.write(inside + "lag_correlation", {Q, D, D}, lags.correlation, true);
  file.write(inside + "lag_scale", {Q, D}, lags.scale);
  file.write(inside + "lag_freedom", {Q}, cast<std::int64_t>(moments.lagFreedom));
}

Moments read_moments(const h5::File& file, const std::string& group) {
  const std::string inside = group + "/";
  const auto wrong = [&] { return Error(Code::corrupt_data, group + " in " + file.path() + " contradicts itself: the file is damaged"); };
  Moments out;
  out.exact = file.number(inside + "exact").value_or(0) == 1;
  out.repeats = static_cast<std::uint64_t>(file.number(inside + "repeats").value_or(1));
  const auto owner = file.wholes(inside + "dynamic_of_static");
  out.staticBins = static_cast<std::uint32_t>(owner.size());
  out.pixels = cast<std::uint32_t>(file.wholes(inside + "pixels"));
  out.terms = cast<std::uint64_t>(file.wholes(inside + "terms"));
  out.delayFrames = cast<std::uint64_t>(file.wholes(inside + "delay_frames"));
  out.pairs = file.doubles(inside + "pairs");
  const std::size_t D = out.terms.size();
  const std::size_t n = owner.size() * D;
  if (D == 0 || out.pixels.size() != owner.size() || out.delayFrames.size() != D || out.pairs.size() % D != 0) throw wrong();
  out.dynamicBins = static_cast<std::uint32_t>(out.pairs.size() / D);
  for (const std::int64_t q : owner) {
    if (q < 0 || q > out.dynamicBins) throw wrong();
    out.dynamicOfStatic.push_back(q == 0 ? Partition::kMasked : static_cast<std::uint32_t>(q - 1));
  }
  if (file.has(inside + "good_pairs")) {
    out.pastFutureBits = static_cast<std::uint32_t>(file.number(inside + "past_times_future_bits").value_or(0));
    out.badFrames = cast<std::uint64_t>(file.wholes(inside + "bad_frames"));
    for (const Share& share : kShares) {
      out.*share.values = file.wholes(inside + share.name);
      if ((out.*share.values).size() != D) throw wrong();
    }
    if (out.pastFutureBits > kBadFrameBits) throw wrong();
  }
  out.moment.resize(n);
  for (const Member& member : kMembers) {
    if (out.exact) {
      const auto values = file.wholes(inside + member.name);
      if (values.size() != 2 * n) throw wrong();
      for (std::size_t i = 0; i < n; ++i) {
        (out.moment[i].*member.sum).whole = static_cast<Int128>(values[2 * i]) * (Int128{1} << 64) + static_cast<std::uint64_t>(values[2 * i + 1]);
      }
    } else {
      const auto values = file.doubles(inside + member.name);
      if (values.size() != n) throw wrong();
      for (std::size_t i = 0; i < n; ++i) (out.moment[i].*member.sum).real = values[i];
    }
  }
  const auto influence = file.doubles(inside + "influence");
  if (influence.size() != 3 * n) throw wrong();
  for (std::size_t i = 0; i < n; ++i) {
    out.moment[i].a = influence[i];
    out.moment[i].b = influence[n + i];
    out.moment[i].c = influence[2 * n + i];
  }
  if (!read_lags(file, inside, out)) throw wrong();
  return out;
}

}  // namespace xpcs
