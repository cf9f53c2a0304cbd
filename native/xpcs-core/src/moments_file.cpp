#include "moments_file.hpp"

#include <algorithm>

namespace xpcs {
namespace {

const std::string kGroup = "/moments/";

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

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  std::vector<To> out;
  for (const From value : values) out.push_back(static_cast<To>(value));
  return out;
}

}  // namespace

void write_moments(h5::File& file, const Moments& moments) {
  const hsize_t S = moments.staticBins;
  const hsize_t D = moments.terms.size();
  const hsize_t Q = moments.dynamicBins;
  std::vector<std::int64_t> owner;
  for (const std::uint32_t q : moments.dynamicOfStatic) owner.push_back(q == Partition::kMasked ? 0 : std::int64_t{q} + 1);
  file.write(kGroup + "exact", {}, std::vector<std::int64_t>{moments.exact ? 1 : 0});
  file.write(kGroup + "repeats", {}, std::vector<std::int64_t>{static_cast<std::int64_t>(moments.repeats)});
  file.write(kGroup + "dynamic_of_static", {S}, owner);
  file.write(kGroup + "pixels", {S}, cast<std::int64_t>(moments.pixels));
  file.write(kGroup + "terms", {D}, cast<std::int64_t>(moments.terms));
  file.write(kGroup + "delay_frames", {D}, cast<std::int64_t>(moments.delayFrames));
  file.write(kGroup + "pairs", {D, Q}, moments.pairs, true);
  for (const Member& member : kMembers) {
    if (moments.exact) file.write(kGroup + member.name, {S, D, 2}, halves(moments.moment, member.sum), true);
    else file.write(kGroup + member.name, {S, D}, reals(moments.moment, member.sum), true);
  }
  std::vector<double> influence;
  for (double Moment::*part : {&Moment::a, &Moment::b, &Moment::c}) {
    for (const Moment& moment : moments.moment) influence.push_back(moment.*part);
  }
  file.write(kGroup + "influence", {3, S, D}, influence, true);
}

Moments read_moments(const h5::File& file) {
  if (!file.has("/moments/influence")) {
    throw Error(Code::invalid_argument, file.path() + " has no /moments: it is not a NeXus result of this program, or of a version before merging");
  }
  const auto wrong = [&] { return Error(Code::corrupt_data, "/moments in " + file.path() + " contradicts itself: the file is damaged"); };
  Moments out;
  out.exact = file.number(kGroup + "exact").value_or(0) == 1;
  out.repeats = static_cast<std::uint64_t>(file.number(kGroup + "repeats").value_or(1));
  const auto owner = file.wholes(kGroup + "dynamic_of_static");
  out.staticBins = static_cast<std::uint32_t>(owner.size());
  out.pixels = cast<std::uint32_t>(file.wholes(kGroup + "pixels"));
  out.terms = cast<std::uint64_t>(file.wholes(kGroup + "terms"));
  out.delayFrames = cast<std::uint64_t>(file.wholes(kGroup + "delay_frames"));
  out.pairs = file.doubles(kGroup + "pairs");
  const std::size_t D = out.terms.size();
  const std::size_t n = owner.size() * D;
  if (D == 0 || out.pixels.size() != owner.size() || out.delayFrames.size() != D || out.pairs.size() % D != 0) throw wrong();
  out.dynamicBins = static_cast<std::uint32_t>(out.pairs.size() / D);
  for (const std::int64_t q : owner) {
    if (q < 0 || q > out.dynamicBins) throw wrong();
    out.dynamicOfStatic.push_back(q == 0 ? Partition::kMasked : static_cast<std::uint32_t>(q - 1));
  }
  out.moment.resize(n);
  for (const Member& member : kMembers) {
    if (out.exact) {
      const auto values = file.wholes(kGroup + member.name);
      if (values.size() != 2 * n) throw wrong();
      for (std::size_t i = 0; i < n; ++i) {
        (out.moment[i].*member.sum).whole = static_cast<Int128>(values[2 * i]) * (Int128{1} << 64) + static_cast<std::uint64_t>(values[2 * i + 1]);
      }
    } else {
      const auto values = file.doubles(kGroup + member.name);
      if (values.size() != n) throw wrong();
      for (std::size_t i = 0; i < n; ++i) (out.moment[i].*member.sum).real = values[i];
    }
  }
  const auto influence = file.doubles(kGroup + "influence");
  if (influence.size() != 3 * n) throw wrong();
  for (std::size_t i = 0; i < n; ++i) {
    out.moment[i].a = influence[i];
    out.moment[i].b = influence[n + i];
    out.moment[i].c = influence[2 * n + i];
  }
  return out;
}

}  // namespace xpcs
