// C2 of one bin, band by band. Few photons: for each frame, walk the later photons of every pixel that it lit and add the
// products into one row (work = photon pairs). Many: inner products of whole frames, tile by tile. The cheaper one is
// taken; integer counts give the same numbers either way.
#pragma once
#include <cmath>
#include <functional>
#include <optional>

#include "threads.hpp"
#include "two_time_dense.hpp"
#include "two_time_scales.hpp"
#include "two_time_store.hpp"

namespace xpcs::twotime {

__extension__ using Int128 = __int128;

/// Sums of photons [G, F] of every group and frame.
template <class V>
std::vector<double> group_sums(FrameStore<V>& store, const std::vector<Group>& groups, unsigned threads) {
  const std::size_t F = store.frames().size();
  std::vector<double> sums(groups.size() * F, 0.0);
  using Total = std::conditional_t<std::is_same_v<V, double>, double, Int128>;
  parallel_for(F, threads, [&](std::size_t t, unsigned) {
    const auto& frame = store.frames()[t];
    if (frame.n == 0) return;
    std::uint32_t at = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      Total total{0};
      if (frame.row != nullptr) {
        for (std::uint32_t r = groups[g].first; r < groups[g].end; ++r) total += frame.row[r];
      } else {
        for (; at < frame.n && frame.events[at].rank < groups[g].end; ++at) total += frame.events[at].value;
      }
      sums[g * F + t] = static_cast<double>(total);
    }
  });
  return sums;
}

template <class V>
class BinEngine {
 public:
  using Store = FrameStore<V>;
  using Cell = typename Store::Cell;

  /// @param cursor [F] photons of each list that belong to the bins before this one; bins come in order of their ranks
  BinEngine(Store& store, const std::vector<Group>& groups, const Bin& bin, std::size_t binIndex, const Scales& scales, const TwoTimeRun& how,
            std::vector<std::uint32_t>& cursor)
      : store_(store), groups_(groups), bin_(bin), binIndex_(binIndex), scales_(scales), how_(how), cursor_(cursor), frames_(store.frames().size()) {
    outer_ = scales.outer.data() + binIndex * frames_;
  }

  /// Gives the bands to `take` in order. Photon lists of this bin are consumed.
  void run(const std::function<void(const C2Band&)>& take) {
    survey();
    const Method method = choose();
    if (method == Method::walk) {
      build_lists();
    } else if (method == Method::bytes) {
      if constexpr (!std::is_same_v<V, double>) gather_rows(byteRows_, byteRoom_);
    } else {
      gather_rows(realRows_, realRoom_);
    }
    const std::uint64_t bandRows = std::min<std::uint64_t>(how_.bandRows, frames_);
    std::vector<float> band(bandRows * frames_);
    for (std::uint64_t first = 0; first < frames_; first += bandRows) {
      how_.control.check();
      const std::uint64_t rows = std::min(bandRows, frames_ - first);
      std::fill(band.begin(), band.end(), 0.0F);
      switch (method) {
        case Method::walk: walk_band(first, rows, band); break;
        case Method::bytes: tile_band(byteRows_, first, rows, band); break;
        case Method::reals: tile_band(realRows_, first, rows, band); break;
      }
      take({binIndex_, first, rows, frames_, std::span<const float>(band).first(rows * frames_)});
    }
  }

 private:
  enum class Method { walk, bytes, reals };
  struct Timed {
    std::uint32_t t;
    V value;
  };
  static constexpr std::uint32_t kEnd = 0xFFFFFFFF;
  struct Run {
    Event<V>* first = nullptr;
    Event<V>* end = nullptr;
  };

  /// The bin's part of a frame that is kept as a list: from where the bin before ended.
  [[nodiscard]] Run run_of(std::size_t t) {
    const auto& frame = store_.frames()[t];
    if (frame.row != nullptr || frame.n == 0) return {};
    Event<V>* const first = frame.events + cursor_[t];
    Event<V>* const end = std::lower_bound(first, frame.events + frame.n, bin_.end, [](const Event<V>& event, std::uint32_t rank) { return event.rank < rank; });
    cursor_[t] = static_cast<std::uint32_t>(end - frame.events);
    return {first, end};
  }

  void survey() {
    runs_.resize(frames_);
    for (std::size_t t = 0; t < frames_; ++t) {
      const auto& frame = store_.frames()[t];
      if (frame.row != nullptr) {
        photons_ += static_cast<double>(frame.n) * bin_.pixels() / store_.ranks();
        mostInFrame_ = std::max<std::uint64_t>(mostInFrame_, bin_.pixels());
        if constexpr (!std::is_same_v<V, double>) largest_ = std::max(largest_, static_cast<double>(kByteCountMax));
        continue;
      }
      runs_[t] = run_of(t);
      photons_ += static_cast<double>(runs_[t].end - runs_[t].first);
      mostInFrame_ = std::max(mostInFrame_, static_cast<std::uint64_t>(runs_[t].end - runs_[t].first));
      for (const Event<V>* event = runs_[t].first; event != runs_[t].end; ++event) {
        largest_ = std::max(largest_, std::abs(static_cast<double>(event->value)));
        bytesDo_ = bytesDo_ && event->value >= V{0} && event->value <= V{kByteCountMax};
      }
    }
  }

  /// Estimated work decides, from numbers of the data alone; the results agree (exactly for counts).
  [[nodiscard]] Method choose() const {
    const double F = static_cast<double>(frames_);
    const double P = bin_.pixels();
    constexpr double kWalkPairsPerNs = 1.5;
    constexpr double kRealProductsPerNs = 10;
    const double walk = photons_ * photons_ / P / 2 / kWalkPairsPerNs;
    const double dense = F * F * P / 2;
    if constexpr (!std::is_same_v<V, double>) {
      if (bytesDo_) return walk <= dense / byte_products_per_ns() ? Method::walk : Method::bytes;
      const bool exact = largest_ * largest_ * P < 9007199254740992.0;
      if (!exact) return Method::walk;
    }
    const bool fits = photons_ >= F * P / 2;  // then rows take no more room than the lists of the walk
    return fits && dense / kRealProductsPerNs < walk ? Method::reals : Method::walk;
  }

  // ---- few photons ----

  void unpack_row(std::size_t t) {
    const Cell* row = store_.frames()[t].row;
    std::vector<Event<V>> list;
    for (std::uint32_t r = bin_.first; r < bin_.end; ++r) {
      if (row[r] != Cell{0}) list.push_back({r, static_cast<V>(row[r])});
    }
    unpacked_[t] = std::move(list);
    runs_[t] = {unpacked_[t].data(), unpacked_[t].data() + unpacked_[t].size()};
  }

  /// For every pixel its photons in order of time, with an end mark; each photon of a frame then points at its own place.
  void build_lists() {
    unpacked_.resize(frames_);
    std::vector<std::uint64_t> next(bin_.pixels() + 1, 0);
    for (std::size_t t = 0; t < frames_; ++t) {
      if (store_.frames()[t].row != nullptr) unpack_row(t);
      for (const Event<V>* event = runs_[t].first; event != runs_[t].end; ++event) ++next[event->rank - bin_.first + 1];
    }
    for (std::size_t p = 0; p < bin_.pixels(); ++p) next[p + 1] += next[p] + 1;
    if (next.back() >= kEnd) throw Error(Code::unsupported, "q bin " + std::to_string(bin_.label) + " holds more than 4e9 photons; use a shorter range");
    timed_.resize(next.back());
    groupEnds_.clear();
    for (std::uint32_t g = bin_.firstGroup; g < bin_.endGroup; ++g) groupEnds_.push_back(next[groups_[g].end - bin_.first]);
    for (std::size_t p = 0; p < bin_.pixels(); ++p) timed_[next[p + 1] - 1].t = kEnd;
    for (std::size_t t = 0; t < frames_; ++t) {
      for (Event<V>* event = runs_[t].first; event != runs_[t].end; ++event) {
        const std::uint64_t place = next[event->rank - bin_.first]++;
        timed_[place] = {static_cast<std::uint32_t>(t), event->value};
        event->rank = static_cast<std::uint32_t>(place);
      }
    }
  }

  void walk_band(std::uint64_t first, std::uint64_t rows, std::vector<float>& band) {
    if constexpr (std::is_same_v<V, double>) {
      walk_band_as<double>(first, rows, band);
    } else {
      const double bound = largest_ * largest_ * static_cast<double>(mostInFrame_);
      if (bound < 2147483647.0) {
        walk_band_as<std::int32_t>(first, rows, band);
      } else if (bound < 9.2e18) {
        walk_band_as<std::int64_t>(first, rows, band);
      } else {
        walk_band_as<Int128>(first, rows, band);
      }
    }
  }

  template <class Sum>
  void walk_band_as(std::uint64_t first, std::uint64_t rows, std::vector<float>& band) {
    constexpr std::uint64_t kRows = 8;
    std::vector<std::vector<Sum>> sums(how_.threads);
    std::vector<std::vector<double>> totals(how_.threads);
    parallel_for((rows + kRows - 1) / kRows, how_.threads, [&](std::size_t part, unsigned worker) {
      sums[worker].resize(frames_, Sum{0});
      totals[worker].resize(frames_);
      for (std::uint64_t r = part * kRows; r < std::min(rows, (part + 1) * kRows); ++r) {
        walk_row(first + r, sums[worker].data(), totals[worker].data(), band.data() + r * frames_);
      }
    });
  }

  /// One row: `sums` is all 0 before and after.
  template <class Sum>
  void walk_row(std::uint64_t t, Sum* sums, double* total, float* out) const {
    if (runs_[t].first == runs_[t].end) return;
    std::fill(total + t, total + frames_, 0.0);
    const Event<V>* event = runs_[t].first;
    for (std::uint32_t g = bin_.firstGroup; g < bin_.endGroup; ++g) {
      const std::uint64_t end = groupEnds_[g - bin_.firstGroup];
      const Event<V>* const begin = event;
      for (; event != runs_[t].end && event->rank < end; ++event) {
        if (event + kAhead < runs_[t].end) __builtin_prefetch(timed_.data() + event[kAhead].rank);
        const Sum value = static_cast<Sum>(event->value);
        for (const Timed* later = timed_.data() + event->rank; later->t != kEnd; ++later) sums[later->t] += value * static_cast<Sum>(later->value);
      }
      if (event == begin) continue;
      const double* inner = scales_.inner.data() + std::size_t{g} * frames_;
      const double scale = inner[t];
      for (std::uint64_t u = t; u < frames_; ++u) {
        total[u] += scale * inner[u] * static_cast<double>(sums[u]);
        sums[u] = Sum{0};
      }
    }
    for (std::uint64_t u = t; u < frames_; ++u) out[u] = static_cast<float>(outer_[t] * outer_[u] * total[u]);
  }

  // ---- many photons ----

  /// The bin's pixels of every frame as a row of cells; frames kept as lists are spread out.
  template <class Element>
  void gather_rows(std::vector<const Element*>& rows, std::vector<std::vector<Element>>& room) {
    rows.resize(frames_);
    room.resize(frames_);
    parallel_for(frames_, how_.threads, [&](std::size_t t, unsigned) {
      const Cell* held = store_.frames()[t].row;
      if constexpr (std::is_same_v<Element, Cell>) {
        if (held != nullptr) {
          rows[t] = held + bin_.first;
          return;
        }
      }
      room[t].assign(bin_.pixels(), Element{0});
      if (held != nullptr) std::copy(held + bin_.first, held + bin_.end, room[t].begin());
      for (const Event<V>* event = runs_[t].first; event != runs_[t].end; ++event) room[t][event->rank - bin_.first] = static_cast<Element>(event->value);
      rows[t] = room[t].data();
    });
  }

  template <class Element>
  void tile_band(const std::vector<const Element*>& rows, std::uint64_t first, std::uint64_t count, std::vector<float>& band) {
    struct Place {
      std::uint64_t t1, t2;
    };
    std::vector<Place> places;
    for (std::uint64_t t1 = first; t1 < first + count; t1 += kTile) {
      for (std::uint64_t t2 = t1; t2 < frames_; t2 += kTile) places.push_back({t1, t2});
    }
    std::vector<std::vector<double>> products(how_.threads), totals(how_.threads);
    parallel_for(places.size(), how_.threads, [&](std::size_t i, unsigned worker) {
      how_.control.check();
      const auto [t1, t2] = places[i];
      products[worker].resize(kTile * kTile);
      totals[worker].assign(kTile * kTile, 0.0);
      const std::size_t na = std::min<std::uint64_t>(kTile, first + count - t1);
      const std::size_t nb = std::min<std::uint64_t>(kTile, frames_ - t2);
      tile(rows, {t1, t2}, na, nb, products[worker].data(), totals[worker].data());
      for (std::size_t r = 0; r < na; ++r) {
        float* out = band.data() + (t1 - first + r) * frames_;
        for (std::size_t c = t1 == t2 ? r : 0; c < nb; ++c) out[t2 + c] = static_cast<float>(outer_[t1 + r] * outer_[t2 + c] * totals[worker][r * kTile + c]);
      }
    });
  }

  template <class Element>
  void tile(const std::vector<const Element*>& rows, std::pair<std::uint64_t, std::uint64_t> at, std::size_t na, std::size_t nb, double* products, double* total) const {
    const auto [t1, t2] = at;
    for (std::uint32_t g = bin_.firstGroup; g < bin_.endGroup; ++g) {
      std::fill(products, products + kTile * kTile, 0.0);
      add_products(rows.data() + t1, rows.data() + t2, {na, nb, groups_[g].first - bin_.first, groups_[g].end - bin_.first, t1 == t2}, products);
      const double* inner = scales_.inner.data() + std::size_t{g} * frames_;
      for (std::size_t r = 0; r < na; ++r) {
        for (std::size_t c = 0; c < nb; ++c) total[r * kTile + c] += inner[t1 + r] * inner[t2 + c] * products[r * kTile + c];
      }
    }
  }

  static constexpr std::ptrdiff_t kAhead = 8;
  Store& store_;
  const std::vector<Group>& groups_;
  const Bin& bin_;
  std::size_t binIndex_;
  const Scales& scales_;
  const TwoTimeRun& how_;
  std::vector<std::uint32_t>& cursor_;
  std::uint64_t frames_;
  const double* outer_;
  std::vector<Run> runs_;
  double photons_ = 0, largest_ = 0;
  std::uint64_t mostInFrame_ = 0;
  bool bytesDo_ = true;
  std::vector<Timed> timed_;
  std::vector<std::uint64_t> groupEnds_;
  std::vector<std::vector<Event<V>>> unpacked_;
  std::vector<const std::uint8_t*> byteRows_;
  std::vector<std::vector<std::uint8_t>> byteRoom_;
  std::vector<const double*> realRows_;
  std::vector<std::vector<double>> realRoom_;
};

}  // namespace xpcs::twotime
