//! Running moments: of one number for stddev, variance, skewness and kurtosis, of a pair for covariance, correlation and regression.
//!
//! Updates and merges are those of Spark, so that results agree to the last digits (Meng, "Simpler Online Updates for Arbitrary-Order
//! Central Moments", 2015).

/// Count, mean and sum of squared deviations: stddev and variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Moments {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64) {
        self.count += 1.0;
        let delta = x - self.mean;
        let delta_n = delta / self.count;
        self.mean += delta_n;
        self.m2 += delta * (delta - delta_n);
    }

    pub fn merge(&mut self, other: &Moments) {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let delta_n = if count == 0.0 { 0.0 } else { delta / count };
        self.m2 = self.m2 + other.m2 + delta * delta_n * self.count * other.count;
        self.mean += delta_n * other.count;
        self.count = count;
    }
}

/// Moments up to the fourth: skewness and kurtosis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Shape {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
    pub m3: f64,
    pub m4: f64,
}

impl Shape {
    pub fn add(&mut self, x: f64) {
        let count = self.count + 1.0;
        let delta = x - self.mean;
        let delta_n = delta / count;
        let (delta2, delta_n2) = (delta * delta, delta_n * delta_n);
        self.m2 += delta * (delta - delta_n);
        self.m3 = self.m3 - 3.0 * delta_n * self.m2 + delta * (delta2 - delta_n2);
        self.m4 = self.m4 - 4.0 * delta_n * self.m3 - 6.0 * delta_n2 * self.m2 + delta * (delta * delta2 - delta_n * delta_n2);
        self.mean += delta_n;
        self.count = count;
    }

    pub fn merge(&mut self, other: &Shape) {
        let (n1, n2) = (self.count, other.count);
        let count = n1 + n2;
        let delta = other.mean - self.mean;
        let d = if count == 0.0 { 0.0 } else { delta / count };
        self.m4 = self.m4
            + other.m4
            + d * d * d * delta * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2)
            + 6.0 * d * d * (n1 * n1 * other.m2 + n2 * n2 * self.m2)
            + 4.0 * d * (n1 * other.m3 - n2 * self.m3);
        self.m3 = self.m3 + other.m3 + d * d * delta * n1 * n2 * (n1 - n2) + 3.0 * d * (n1 * other.m2 - n2 * self.m2);
        self.m2 = self.m2 + other.m2 + delta * d * n1 * n2;
        self.mean += d * n2;
        self.count = count;
    }

    pub fn numbers(&self) -> [f64; 5] {
        [self.count, self.mean, self.m2, self.m3, self.m4]
    }

    pub fn of_numbers([count, mean, m2, m3, m4]: [f64; 5]) -> Shape {
        Shape { count, mean, m2, m3, m4 }
    }
}

/// Joint moments of pairs (x, y).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Comoments {
    pub count: f64,
    pub x_mean: f64,
    pub y_mean: f64,
    /// Sum of the products of both deviations.
    pub xy: f64,
    /// Sums of squared deviations.
    pub xx: f64,
    pub yy: f64,
}

impl Comoments {
    pub fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        let (dx, dy) = (x - self.x_mean, y - self.y_mean);
        self.x_mean += dx / self.count;
        self.y_mean += dy / self.count;
        self.xy += dx * (y - self.y_mean);
        self.xx += dx * (x - self.x_mean);
        self.yy += dy * (y - self.y_mean);
    }

    pub fn merge(&mut self, other: &Comoments) {
        let (n1, n2) = (self.count, other.count);
        let count = n1 + n2;
        let share = |delta: f64| if count == 0.0 { 0.0 } else { delta / count };
        let (dx, dy) = (other.x_mean - self.x_mean, other.y_mean - self.y_mean);
        let (dx_n, dy_n) = (share(dx), share(dy));
        self.xy = self.xy + other.xy + dx * dy_n * n1 * n2;
        self.xx = self.xx + other.xx + dx * dx_n * n1 * n2;
        self.yy = self.yy + other.yy + dy * dy_n * n1 * n2;
        self.x_mean += dx_n * n2;
        self.y_mean += dy_n * n2;
        self.count = count;
    }

    pub fn numbers(&self) -> [f64; 6] {
        [self.count, self.x_mean, self.y_mean, self.xy, self.xx, self.yy]
    }

    pub fn of_numbers([count, x_mean, y_mean, xy, xx, yy]: [f64; 6]) -> Comoments {
        Comoments { count, x_mean, y_mean, xy, xx, yy }
    }
}
