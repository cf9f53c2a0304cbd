// The levels of one pixel as contiguous series of small integers: bytes while every element is at most 127, then 16-bit
// words, then 64-bit integers. The sums are the same integers whichever form holds them.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "lag_sums.hpp"
#include "scheme.hpp"

namespace xpcs {

class SeriesKernel {
 public:
  explicit SeriesKernel(const LagSums& sums = lag_sums()) : sums_(&sums) {}

  /// Correlates from `level` on. Entries: block t[i] of that level holds v[i], distinct blocks, any sign.
  /// @param acc [D]; requires that the magnitudes of v add up to less than 2^31
  template <class Value>
  void add(const Scheme& scheme, std::uint32_t level, std::span<const std::uint32_t> t, std::span<const Value> v, std::int64_t* acc) {
    std::int64_t largest = 0;
    bool negative = false;
    for (const Value value : v) {
      largest = std::max<std::int64_t>(largest, value < 0 ? -std::int64_t{value} : std::int64_t{value});
      negative = negative || value < 0;
    }
    const std::size_t n = scheme.blocks(level);
    const Form form = form_for(largest, negative, n);
    const auto fill = [&](auto& series) {
      using Element = std::remove_reference_t<decltype(series[0])>;
      clear(series, n + lag_padding(scheme.lag_max()));
      for (std::size_t i = 0; i < t.size(); ++i) {
        if (t[i] < n) series[t[i]] = static_cast<Element>(v[i]);
      }
    };
    if (form == Form::bytes) fill(bytes_);
    if (form == Form::words) fill(words_);
    if (form == Form::wide) fill(wide_);
    walk(scheme, level, form, negative, acc);
  }

  /// Correlates a whole series of counts 0..127 from level 0 on; `series` has its padding of zeros and is destroyed.
  void add_bytes(const Scheme& scheme, std::vector<std::uint8_t>& series, std::int64_t* acc) {
    bytes_.swap(series);
    walk(scheme, 0, Form::bytes, false, acc);
    bytes_.swap(series);
  }

 private:
  enum class Form { bytes, words, wide };

  static Form form_for(std::int64_t largest, bool negative, std::size_t n) {
    if (largest <= 127 && !negative) return Form::bytes;
    const bool fits = largest <= 32767 && static_cast<double>(largest) * static_cast<double>(largest) * static_cast<double>(n) < 17179869184.0;
    return fits ? Form::words : Form::wide;
  }

  template <class Element>
  static void clear(std::vector<Element>& series, std::size_t n) {
    if (series.size() < n) series.resize(n);
    std::fill(series.begin(), series.begin() + static_cast<std::ptrdiff_t>(n), Element{0});
  }

  void walk(const Scheme& scheme, std::uint32_t level, Form form, bool negative, std::int64_t* acc) {
    for (;; ++level) {
      const std::size_t n = scheme.blocks(level);
      const std::size_t at = scheme.first_delay(level);
      const std::size_t lags = scheme.delays_at(level);
      if (lags > 0) {
        const std::size_t first = scheme.delays[at].lag;
        if (form == Form::bytes) sums_->bytes(bytes_.data(), n, first, lags, acc + at);
        if (form == Form::words) sums_->words(words_.data(), n, first, lags, acc + at);
        if (form == Form::wide) wide_sums(n, first, lags, acc + at);
      }
      if (level + 1 >= scheme.levels) return;
      form = halve(form, negative, scheme.blocks(level + 1), n + lag_padding(scheme.lag_max()));
    }
  }

  void wide_sums(std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out) const {
    for (std::size_t j = 0; j < lags; ++j) {
      for (std::size_t i = 0; i < n; ++i) out[j] += wide_[i] * wide_[i + first + j];
    }
  }

  /// Adds neighbours into the next level's n blocks; what is behind them becomes zero. Returns the form it needs.
  Form halve(Form form, bool negative, std::size_t n, std::size_t used) {
    const auto in_place = [&](auto& series) {
      using Element = std::remove_reference_t<decltype(series[0])>;
      for (std::size_t i = 0; i < n; ++i) series[i] = static_cast<Element>(series[2 * i] + series[2 * i + 1]);
      std::fill(series.begin() + static_cast<std::ptrdiff_t>(n), series.begin() + static_cast<std::ptrdiff_t>(used), Element{0});
    };
    const auto widened = [&](const auto& from, auto& to) {
      using Element = std::remove_reference_t<decltype(to[0])>;
      clear(to, used);
      for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<Element>(Element{from[2 * i]} + Element{from[2 * i + 1]});
    };
    if (form == Form::wide) {
      in_place(wide_);
      return form;
    }
    std::int64_t largest = 0;
    const auto scan = [&](const auto& series) {
      std::int32_t most = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const std::int32_t sum = std::int32_t{series[2 * i]} + std::int32_t{series[2 * i + 1]};
        most = std::max(most, sum < 0 ? -sum : sum);
      }
      largest = most;
    };
    if (form == Form::bytes) scan(bytes_);
    if (form == Form::words) scan(words_);
    const Form next = form_for(largest, negative, n);
    if (form == Form::bytes && next == Form::bytes) in_place(bytes_);
    else if (form == Form::bytes && next == Form::words) widened(bytes_, words_);
    else if (form == Form::bytes) widened(bytes_, wide_);
    else if (next == Form::wide) widened(words_, wide_);
    else in_place(words_);
    return form == Form::words && next == Form::bytes ? Form::words : next;
  }

  const LagSums* sums_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int16_t> words_;
  std::vector<std::int64_t> wide_;
};

}  // namespace xpcs
